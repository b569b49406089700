//! 8.2 A client gets the certificate of the name it asks for, and the newest usable one, while connections stay.

use lab::{Certificate, Certificates, Proxy, Reply, Target, Tls, Upstream, expect, soon};
use std::time::{Duration, SystemTime};

const EXERCISE: &str = "8-2";

const READ_AT_START: &str =
    "the files are read at the start and never again, or their change is not noticed";

async fn proxy(certificates: &Certificates, upstream: &Upstream) -> Proxy {
    Proxy::of(EXERCISE)
        .env("CERTS", certificates.folder())
        .env("RELOAD_MS", 20)
        .in_front_of(upstream)
        .await
}

/// The TLS port, as a client that asks for this name. A new one each time: none takes up the session of another.
fn asking_for(name: &str, certificates: &Certificates, proxy: &Proxy) -> Target {
    let tls = Tls::trusting(certificates.authority()).name(name);
    proxy.port("LISTEN_TLS").tls(tls)
}

/// Waits until a new client that asks for this name gets this certificate.
async fn comes_to_show(
    certificate: &Certificate,
    name: &str,
    certificates: &Certificates,
    proxy: &Proxy,
) {
    soon(
        format!("a new connection gets the new certificate of {name}"),
        async || {
            let target = asking_for(name, certificates, proxy);
            target.handshake().await.shows(certificate)
        },
    )
    .usually(READ_AT_START)
    .await;
}

/// Comes back when the program has looked at all files once more: it shows a change that is made now. Twice, since it
/// may be in the middle of a look.
async fn after_a_look(certificates: &Certificates, proxy: &Proxy) {
    for _ in 0..2 {
        let witness = certificates.replace("two.test");
        comes_to_show(&witness, "two.test", certificates, proxy).await;
    }
}

async fn shows(certificate: &Certificate, certificates: &Certificates, proxy: &Proxy) {
    let target = asking_for("one.test", certificates, proxy);
    target
        .handshake()
        .await
        .expect_certificate(certificate)
        .usually("what is of no use must not take the place of what is");
}

/// How many lines of the log name one of the files of one.test so far.
fn complaints(proxy: &Proxy) -> usize {
    let lines = |file| proxy.log_lines_with(file);
    let certificate = lines("one.test.pem");
    let key = lines("one.test.key");
    let key_alone = key.iter().filter(|line| !certificate.contains(line));
    certificate.len() + key_alone.count()
}

/// Breaks one.test, and expects that the old certificate stays and that one line says why.
async fn keeps_the_old_one(proxy: &Proxy, certificates: &Certificates, break_it: impl FnOnce()) {
    let old = certificates.certificate("one.test");
    after_a_look(certificates, proxy).await;
    let before = complaints(proxy);
    break_it();
    soon("a line in the log that names the file", async || {
        complaints(proxy) > before
    })
    .usually(READ_AT_START)
    .await;
    for _ in 0..2 {
        after_a_look(certificates, proxy).await;
        shows(&old, certificates, proxy).await;
    }
    let lines = complaints(proxy) - before;
    proxy
        .expect(lines == 1, format!("one line in the log: found {lines}"))
        .usually("what was complained of once is looked at again every second, and need not be told again");
}

/// Both files are good again: whether a file that is broken in yet another way has broken once more is not asked.
async fn mended(proxy: &Proxy, certificates: &Certificates) {
    let new = certificates.replace("one.test");
    comes_to_show(&new, "one.test", certificates, proxy).await;
}

#[tokio::test]
async fn each_name_has_its_certificate() {
    let certificates = Certificates::new();
    let upstream = Upstream::echo().await;
    let proxy = proxy(&certificates, &upstream).await;
    for name in ["two.test", "one.test", "localhost"] {
        let certificate = if name == "two.test" { name } else { "one.test" };
        let target = asking_for(name, &certificates, &proxy);
        target
            .handshake()
            .await
            .expect_certificate(&certificates.certificate(certificate))
            .usually("the name is in the first message of the handshake (RFC 6066, section 3)");
        target.get("/").send().await.expect_status(200);
    }
}

#[tokio::test]
async fn who_asks_for_another_name_or_none_gets_the_first() {
    let certificates = Certificates::new();
    let upstream = Upstream::echo().await;
    let proxy = proxy(&certificates, &upstream).await;
    let two = asking_for("two.test", &certificates, &proxy);
    two.handshake()
        .await
        .expect_certificate(&certificates.certificate("two.test"));

    let one = certificates.certificate("one.test");
    let tls = Tls::trusting_anybody();
    for tls in [
        tls.clone().name("three.test"),
        tls.clone().name("xtwo.test"),
        tls.clone().without_server_name(),
        tls,
    ] {
        let target = proxy.port("LISTEN_TLS").tls(tls);
        target
            .handshake()
            .await
            .expect_certificate(&one)
            .usually("a name that is none of yours is no reason to refuse: the client judges");
    }
}

#[tokio::test]
async fn new_files_count_for_new_connections() {
    let certificates = Certificates::new();
    let upstream = Upstream::echo().await;
    let proxy = proxy(&certificates, &upstream).await;
    for name in ["one.test", "two.test", "one.test"] {
        let new = certificates.replace(name);
        comes_to_show(&new, name, &certificates, &proxy).await;
        asking_for(name, &certificates, &proxy)
            .get("/")
            .send()
            .await
            .expect_status(200);
    }
}

#[tokio::test]
async fn a_connection_outlives_the_swap() {
    let certificates = Certificates::new();
    let upstream = Upstream::script([
        Reply::text(200, "before"),
        Reply::pieces(["one", "two"]),
        Reply::text(200, "after"),
    ])
    .await;
    let proxy = proxy(&certificates, &upstream).await;
    let target = asking_for("one.test", &certificates, &proxy);
    let idle = target.client().await;
    idle.get("/").send().await.expect_body("before");
    let mut download = target.get("/").start().await;
    download.expect_piece("one").await;

    let new = certificates.replace("one.test");
    comes_to_show(&new, "one.test", &certificates, &proxy).await;

    upstream.release();
    download.finish().await.expect_body("onetwo");
    idle.expect_open().await;
    idle.get("/").send().await.expect_body("after");
}

#[tokio::test]
async fn files_that_are_written_in_place_count() {
    let certificates = Certificates::new();
    let upstream = Upstream::echo().await;
    let proxy = proxy(&certificates, &upstream).await;
    let new = certificates.make("one.test");
    certificates.overwrite("one.test.key", new.key_pem());
    certificates.overwrite("one.test.pem", new.pem());
    comes_to_show(&new, "one.test", &certificates, &proxy).await;
}

#[tokio::test]
async fn a_file_that_is_older_than_the_one_before_counts() {
    let certificates = Certificates::new();
    let upstream = Upstream::echo().await;
    let proxy = proxy(&certificates, &upstream).await;
    let folder = certificates.path();
    let new = certificates.make("one.test");
    for (file, content) in [("one.test.key", new.key_pem()), ("one.test.pem", new.pem())] {
        let made_long_ago = folder.join(".made-long-ago");
        let written = std::fs::write(&made_long_ago, content)
            .and_then(|()| std::fs::File::options().write(true).open(&made_long_ago))
            .and_then(|it| it.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1)))
            .and_then(|()| std::fs::rename(&made_long_ago, folder.join(file)));
        expect(written.is_ok(), "the check can write certificates");
    }
    soon("a new connection gets the new certificate", async || {
        let target = asking_for("one.test", &certificates, &proxy);
        target.handshake().await.shows(&new)
    })
    .usually("a file that is renamed into place keeps its time: compare what is in it")
    .await;
}

#[tokio::test]
async fn files_behind_links_count_as_kubernetes_changes_them() {
    let certificates = Certificates::behind_links();
    let upstream = Upstream::echo().await;
    let proxy = proxy(&certificates, &upstream).await;
    let new = certificates.replace("one.test");
    comes_to_show(&new, "one.test", &certificates, &proxy).await;
}

#[tokio::test]
async fn a_broken_file_keeps_the_old_one_and_is_told_once() {
    let certificates = Certificates::new();
    let upstream = Upstream::echo().await;
    let proxy = proxy(&certificates, &upstream).await;
    let whole = certificates.certificate("one.test").pem().to_owned();
    let half = whole.get(..whole.len() / 2).unwrap_or_default();
    for broken in ["", "no certificate at all\n", half] {
        keeps_the_old_one(&proxy, &certificates, || {
            certificates.write("one.test.pem", broken)
        })
        .await;
        mended(&proxy, &certificates).await;
    }
    keeps_the_old_one(&proxy, &certificates, || {
        certificates.remove("one.test.pem")
    })
    .await;
    mended(&proxy, &certificates).await;
}

#[tokio::test]
async fn a_broken_key_keeps_the_old_pair_and_is_told_once() {
    let certificates = Certificates::new();
    let upstream = Upstream::echo().await;
    let proxy = proxy(&certificates, &upstream).await;
    keeps_the_old_one(&proxy, &certificates, || {
        certificates.write("one.test.key", "no key at all\n")
    })
    .await;
    mended(&proxy, &certificates).await;
    keeps_the_old_one(&proxy, &certificates, || {
        certificates.remove("one.test.key")
    })
    .await;
    mended(&proxy, &certificates).await;
}

#[tokio::test]
async fn a_certificate_waits_for_its_key() {
    let certificates = Certificates::new();
    let upstream = Upstream::echo().await;
    let proxy = proxy(&certificates, &upstream).await;
    let new = certificates.make("one.test");
    keeps_the_old_one(&proxy, &certificates, || {
        certificates.write("one.test.pem", new.pem())
    })
    .await;

    certificates.write("one.test.key", new.key_pem());
    comes_to_show(&new, "one.test", &certificates, &proxy).await;
}

#[tokio::test]
async fn what_breaks_again_is_told_again() {
    let certificates = Certificates::new();
    let upstream = Upstream::echo().await;
    let proxy = proxy(&certificates, &upstream).await;
    for _ in 0..2 {
        keeps_the_old_one(&proxy, &certificates, || {
            certificates.write("one.test.pem", "")
        })
        .await;
        mended(&proxy, &certificates).await;
    }
}

mod given {
    use super::*;

    #[tokio::test]
    async fn serves_over_tls() {
        let certificates = Certificates::new();
        let upstream = Upstream::echo().await;
        let proxy = proxy(&certificates, &upstream).await;
        let target = asking_for("one.test", &certificates, &proxy);
        target
            .handshake()
            .await
            .expect_certificate(&certificates.certificate("one.test"));
        target.get("/a").send().await.expect_status(200);
        upstream.last_request().expect_target("/a");
    }

    #[tokio::test]
    async fn what_is_broken_at_the_start_is_named() {
        let certificates = Certificates::new();
        let other = certificates.make("two.test");
        certificates.write("two.test.key", other.key_pem());
        let proxy = Proxy::of(EXERCISE).env("CERTS", certificates.folder());
        let ended = proxy.run_to_end().await;
        ended.expect_code(2);
        ended.expect_stderr_contains("two.test.pem");
        ended.expect_stderr_contains("cargo run --bin ch08-certificates");
    }

    #[tokio::test]
    async fn a_setting_that_cannot_be_read_is_refused() {
        let certificates = Certificates::new();
        let proxy = Proxy::of(EXERCISE)
            .env("CERTS", certificates.folder())
            .env("RELOAD_MS", 0);
        let ended = proxy.run_to_end().await;
        ended.expect_code(2);
        ended.expect_stderr_contains("RELOAD_MS");
    }
}
