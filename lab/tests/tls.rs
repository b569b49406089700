//! Both sides can speak TLS, with certificates of the check's own, and both see how a handshake went.

#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

mod support;

use lab::{
    Authority, Certificate, Certificates, Proxy, Reply, Tls, TlsVersion, Upstream, eventually,
};
use support::relay;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const NAMES: [&str; 3] = ["one.test", "localhost", "127.0.0.1"];

/// The relay hands on bytes, so that a client's handshake reaches the upstream.
async fn in_front_of(upstream: &Upstream) -> Proxy {
    Proxy::at_path(relay(), "8-1").in_front_of(upstream).await
}

#[tokio::test]
async fn carries_requests_on_every_kind_of_connection() {
    let authority = Authority::new();
    let upstream = Upstream::echo_with_tls(&authority.certificate(NAMES)).await;
    let proxy = in_front_of(&upstream).await;
    let target = proxy.tls(Tls::trusting(&authority).name("one.test"));

    target
        .post("/a")
        .body(vec![b'x'; 300_000])
        .send()
        .await
        .expect_status(200);
    let request = upstream.last_request();
    assert_eq!(request.body.len(), 300_000);
    let port = proxy.address().port();
    request.expect_header("host", format!("one.test:{port}"));

    let client = target.client().await;
    client.handshake().await.expect_agreed();
    client.get("/1").send().await.expect_status(200);
    client.get("/2").send().await.expect_status(200);
    client.expect_open().await;
    upstream.last_request().expect_target("/2");
    assert_eq!(upstream.connections(), 2);

    let mut wire = target.connect().await;
    wire.send("GET /3 HTTP/1.1\r\nHost: one.test\r\n\r\n").await;
    wire.read_response().await.expect_status(200);

    let mut stream = target.stream().await;
    stream
        .write_all(b"GET /4 HTTP/1.1\r\nHost: one.test\r\nConnection: close\r\n\r\n")
        .await
        .expect("it is read");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .await
        .expect("an answer and its end");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[tokio::test]
async fn tells_what_was_agreed() {
    let authority = Authority::new();
    let certificate = authority.certificate(NAMES);
    let upstream = Upstream::echo_with_tls(&certificate).await;
    let proxy = in_front_of(&upstream).await;
    let tls = Tls::trusting(&authority);

    let target = proxy.tls(tls.clone().name("one.test").alpn(["h2", "http/1.1"]));
    let handshake = target.handshake().await;
    handshake
        .expect_certificate(&certificate)
        .expect_alpn("http/1.1")
        .expect_version(TlsVersion::V1_3);
    assert!(!handshake.is_resumed());
    target.handshake().await.expect_resumed();

    let old = proxy.tls(tls.clone().version(TlsVersion::V1_2));
    let handshake = old.handshake().await;
    handshake.expect_version(TlsVersion::V1_2);
    assert_eq!(handshake.alpn(), None);
    old.handshake().await.expect_resumed();

    let silent = proxy.tls(tls.name("localhost").without_server_name());
    silent.handshake().await.expect_agreed();
    let one = Some("one.test".to_owned());
    assert_eq!(
        upstream.server_names(),
        [one.clone(), one, None, None, None]
    );
    assert_eq!(upstream.failed_handshakes(), 0);
}

async fn is_refused(certificate: &Certificate, tls: Tls) {
    let upstream = Upstream::echo_with_tls(certificate).await;
    let proxy = in_front_of(&upstream).await;
    let target = proxy.tls(tls);
    target.handshake().await.expect_refused();
    let response = target.get("/").send().await;
    assert_eq!(response.status, 0);
    upstream.expect_no_request();
    eventually("both handshakes failed", async || {
        upstream.failed_handshakes() == 2
    })
    .await;
}

#[tokio::test]
async fn trusts_nobody_but_its_authority() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    is_refused(&theirs.certificate(NAMES), Tls::trusting(&ours)).await;
}

#[tokio::test]
async fn takes_no_certificate_for_another_name() {
    let authority = Authority::new();
    let two = authority.certificate(["two.test"]);
    is_refused(&two, Tls::trusting(&authority).name("one.test")).await;
    is_refused(&two, Tls::trusting(&authority)).await;
}

#[tokio::test]
async fn takes_no_certificate_at_the_wrong_time() {
    let authority = Authority::new();
    is_refused(&authority.expired(NAMES), Tls::trusting(&authority)).await;
    is_refused(&authority.not_yet_valid(NAMES), Tls::trusting(&authority)).await;
}

#[tokio::test]
async fn takes_any_certificate_if_told_to() {
    let certificate = Authority::new().expired(["two.test"]);
    let upstream = Upstream::always_with_tls(&certificate, Reply::text(200, "hello")).await;
    let proxy = in_front_of(&upstream).await;
    let target = proxy.tls(Tls::trusting_anybody().name("one.test"));
    target
        .handshake()
        .await
        .expect_certificate(&certificate)
        .expect_agreed();
    target.get("/").send().await.expect_body("hello");
    upstream.expect_server_name("one.test");
}

#[tokio::test]
async fn a_reset_after_the_handshake_is_no_refusal() {
    let authority = Authority::new();
    let upstream = Upstream::always_with_tls(&authority.certificate(NAMES), Reply::reset()).await;
    let proxy = in_front_of(&upstream).await;
    let target = proxy.tls(Tls::trusting(&authority));
    target.handshake().await.expect_agreed();
    assert_eq!(target.get("/").send().await.status, 0);
    assert_eq!(upstream.failed_handshakes(), 0);
}

#[tokio::test]
async fn what_is_no_handshake_is_counted_as_a_failed_one() {
    let authority = Authority::new();
    let upstream = Upstream::echo_with_tls(&authority.certificate(NAMES)).await;
    let proxy = in_front_of(&upstream).await;
    assert_eq!(proxy.get("/").send().await.status, 0);
    eventually("the handshake failed", async || {
        upstream.failed_handshakes() == 1
    })
    .await;
    upstream.expect_no_request();
}

#[test]
fn a_folder_holds_what_the_programs_read_and_is_removed() {
    let certificates = Certificates::new();
    let folder = certificates.path().to_owned();
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).expect("a file");
    assert_eq!(read("ca.pem"), certificates.authority().pem());
    for name in ["one.test", "two.test", "client"] {
        let certificate = certificates.certificate(name);
        assert_eq!(read(&format!("{name}.pem")), certificate.pem());
        assert_eq!(read(&format!("{name}.key")), certificate.key_pem());
    }
    let before = certificates.certificate("one.test");
    let after = certificates.replace("one.test");
    assert_ne!(before.serial(), after.serial());
    assert_eq!(read("one.test.pem"), after.pem());
    certificates.write("one.test.pem", "broken");
    assert_eq!(read("one.test.pem"), "broken");
    let files = std::fs::read_dir(&folder).expect("a folder").count();
    assert_eq!(files, 7);
    drop(certificates);
    assert!(!folder.exists());
}

#[test]
fn a_folder_behind_links_changes_at_once() {
    let certificates = Certificates::behind_links();
    let path = certificates.path().join("one.test.pem");
    let link = std::fs::read_link(&path).expect("a link");
    assert_eq!(link.to_str(), Some("..data/one.test.pem"));
    let read = || std::fs::read_to_string(&path).expect("a file");
    assert_eq!(read(), certificates.certificate("one.test").pem());
    let two = certificates.replace("two.test");
    assert_eq!(read(), certificates.certificate("one.test").pem());
    let one = certificates.replace("one.test");
    assert_eq!(read(), one.pem());
    assert_eq!(std::fs::read_link(&path).expect("a link"), link);
    assert!(two.serial() != one.serial());
}
