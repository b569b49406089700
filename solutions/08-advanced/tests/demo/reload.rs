//! Certificates are replaced on disk, while connections are open.

use lab::{Certificates, Handshake, Proxy, Upstream, eventually, expect};

use crate::setup::{demo, https, tls};

async fn edge() -> (Certificates, Upstream, Proxy) {
    let certificates = Certificates::new();
    let upstream = Upstream::echo().await;
    let proxy = demo(&certificates)
        .env("RELOAD_MS", 20)
        .in_front_of(&upstream)
        .await;
    (certificates, upstream, proxy)
}

/// The handshake of a client that has no session to resume: in a resumed one no certificate is shown, so whoever keeps
/// its session sees the old one until the server forgets it.
async fn fresh(proxy: &Proxy, certificates: &Certificates, name: &str) -> Handshake {
    let tls = tls(certificates).name(name);
    proxy.port("LISTEN_TLS").tls(tls).handshake().await
}

#[tokio::test]
async fn new_connections_get_the_new_one_and_kept_ones_go_on() {
    let (certificates, _upstream, proxy) = edge().await;
    let kept = https(&proxy, &certificates).client().await;
    kept.get("/").send().await.expect_status(200);
    let old = certificates.certificate("one.test");
    for _ in 0..3 {
        let new = certificates.replace("one.test");
        eventually("a new connection gets the new certificate", async || {
            fresh(&proxy, &certificates, "one.test").await.shows(&new)
        })
        .await;
        kept.get("/").send().await.expect_status(200);
    }
    kept.handshake().await.expect_certificate(&old);
    kept.expect_open().await;
}

#[tokio::test]
async fn a_broken_file_keeps_the_old_one_and_is_told_once() {
    let (certificates, _upstream, proxy) = edge().await;
    let old = certificates.certificate("one.test");
    certificates.write("one.test.pem", "-----BEGIN CERTIFICATE-----\nMIIB");
    let line = proxy.wait_for_log("one.test.pem").await;
    expect(line.contains("ERROR"), format!("an error, not {line}"));
    let handshake = fresh(&proxy, &certificates, "one.test").await;
    handshake.expect_certificate(&old);
    // It is looked again and again: the other name is the clock.
    let two = certificates.replace("two.test");
    eventually("the other certificate is there", async || {
        fresh(&proxy, &certificates, "two.test").await.shows(&two)
    })
    .await;
    let lines = proxy.log_lines_with("one.test.pem").len();
    expect(lines == 1, format!("one line, not {lines}"));
    let new = certificates.replace("one.test");
    eventually("a whole one counts again", async || {
        fresh(&proxy, &certificates, "one.test").await.shows(&new)
    })
    .await;
}
