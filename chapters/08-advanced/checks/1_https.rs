//! 8.1 The plain port redirects and does nothing else; the TLS port serves, and says that browsers shall come there.

use lab::{Certificates, Proxy, Reply, Response, Target, Tls, TlsVersion, Upstream, expect};

const EXERCISE: &str = "8-1";

/// A year, in seconds.
const YEAR: u64 = 31_536_000;

async fn proxy(certificates: &Certificates, upstream: &Upstream) -> Proxy {
    Proxy::of(EXERCISE)
        .env("CERTS", certificates.folder())
        .in_front_of(upstream)
        .await
}

fn tls(certificates: &Certificates) -> Tls {
    Tls::trusting(certificates.authority()).name("one.test")
}

/// The port that speaks TLS, spoken to so.
fn over_tls(proxy: &Proxy, certificates: &Certificates) -> Target {
    proxy.port("LISTEN_TLS").tls(tls(certificates))
}

/// Where a request on the plain port is to go: this host and target at the TLS port.
fn at_tls_port(proxy: &Proxy, host: &str, target: &str) -> String {
    let port = proxy.port("LISTEN_TLS").address().port();
    format!("https://{host}:{port}{target}")
}

/// Sends these bytes to the plain port.
async fn send(proxy: &Proxy, request: &str) -> Response {
    let mut wire = proxy.port("LISTEN").connect().await;
    wire.send(request).await;
    wire.read_response().await
}

/// The first message of a client that speaks TLS 1.1 and nothing newer (RFC 4346, section 7.4.1.2).
fn hello_of_tls_1_1() -> Vec<u8> {
    const VERSION: [u8; 2] = [3, 2];
    const RANDOM: [u8; 32] = [7; 32];
    const NO_SESSION: [u8; 1] = [0];
    // TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA and TLS_RSA_WITH_AES_128_CBC_SHA.
    const SUITES: [u8; 6] = [0, 4, 0xc0, 0x09, 0, 0x2f];
    const NO_COMPRESSION: [u8; 2] = [1, 0];
    let hello = [&VERSION[..], &RANDOM, &NO_SESSION, &SUITES, &NO_COMPRESSION].concat();
    let length = hello.len() as u8;
    // A record of TLS that holds one message, the client's hello.
    [&[22, 3, 1, 0, length + 4, 1, 0, 0, length], &hello[..]].concat()
}

#[tokio::test]
async fn serves_over_tls_1_3_and_1_2() {
    let certificates = Certificates::new();
    let upstream = Upstream::always(Reply::text(200, "hello")).await;
    let proxy = proxy(&certificates, &upstream).await;
    for version in [TlsVersion::V1_3, TlsVersion::V1_2] {
        let tls = tls(&certificates).version(version);
        let target = proxy.port("LISTEN_TLS").tls(tls);
        target
            .handshake()
            .await
            .expect_version(version)
            .usually("the port speaks plain HTTP: a listener with TLS is added by another method")
            .expect_certificate(&certificates.certificate("one.test"))
            .usually("the certificate is one.test.pem of the folder that CERTS names");
        target.get("/a?b").send().await.expect_body("hello");
        upstream.last_request().expect_target("/a?b");
    }
}

#[tokio::test]
async fn refuses_tls_1_1() {
    let certificates = Certificates::new();
    let upstream = Upstream::echo().await;
    let proxy = proxy(&certificates, &upstream).await;
    let mut wire = proxy.port("LISTEN_TLS").connect().await;
    wire.send(hello_of_tls_1_1()).await;
    let answer = wire.read_to_end().await;

    // A record of the type alert, level fatal (RFC 8446, section 6).
    let alert = answer.first() == Some(&21) && answer.get(5) == Some(&2);
    expect(alert, "a fatal alert of TLS, and nothing else").usually(
        "the port speaks plain HTTP; under rustls a TLS listener knows no version before 1.2",
    );
}

#[tokio::test]
async fn sends_a_client_to_the_same_place_over_tls() {
    let certificates = Certificates::new();
    let upstream = Upstream::echo().await;
    let proxy = proxy(&certificates, &upstream).await;
    for target in [
        "/",
        "/?",
        "/a/b?x=1&y=2",
        "/a%2Fb//../%7Ec?q=%20%26+d&q=https://two.test/?",
    ] {
        let response = proxy.get(target).header("host", "one.test").send().await;
        response.expect_status(308).usually(
            "308 keeps the method and the body, 301 and 302 let clients turn a POST into a GET",
        );
        response
            .expect_header("location", at_tls_port(&proxy, "one.test", target))
            .usually("the query belongs to the target, and no byte of it is to change");
    }
    upstream.expect_no_request();
}

#[tokio::test]
async fn keeps_a_post_a_post() {
    let certificates = Certificates::new();
    let upstream = Upstream::echo().await;
    let proxy = proxy(&certificates, &upstream).await;
    let request = proxy.post("/buy?n=1").header("host", "one.test");
    let response = request.body("an order").send().await;
    response
        .expect_status(308)
        .usually("301 and 302 let a client turn a POST into a GET (RFC 9110, section 15.4)");
    response.expect_header("location", at_tls_port(&proxy, "one.test", "/buy?n=1"));
    upstream
        .expect_no_request()
        .usually("the plain port is to redirect, not to forward");
}

#[tokio::test]
async fn takes_the_port_off_the_host() {
    let certificates = Certificates::new();
    let upstream = Upstream::echo().await;
    let proxy = proxy(&certificates, &upstream).await;
    for (sent, host) in [
        ("one.test:6188", "one.test"),
        ("127.0.0.1:80", "127.0.0.1"),
        ("localhost", "localhost"),
        ("[::1]:6188", "[::1]"),
        ("[::1]", "[::1]"),
    ] {
        let response = proxy.get("/a").header("host", sent).send().await;
        response.expect_status(308);
        response
            .expect_header("location", at_tls_port(&proxy, host, "/a"))
            .usually("the port in Host is the plain one; an IPv6 address has colons of its own");
    }
}

#[tokio::test]
async fn answers_400_where_no_host_is_named() {
    let certificates = Certificates::new();
    let upstream = Upstream::echo().await;
    let proxy = proxy(&certificates, &upstream).await;
    for headers in [
        "",
        "Host:\r\n",
        "Host: :80\r\n",
        "Host: a/b\r\n",
        "Host: a?b\r\n",
        "Host: a b\r\n",
        "Host: one.test@two.test\r\n",
    ] {
        for version in ["1.0", "1.1"] {
            let request = format!("GET /c HTTP/{version}\r\n{headers}\r\n");
            let response = send(&proxy, &request).await;
            response
                .expect_status(400)
                .usually("what a client writes into Host goes into Location: look at it first");
            response.expect_no_header("location");
        }
    }
    upstream.expect_no_request();
}

#[tokio::test]
async fn tells_browsers_once_to_come_over_tls() {
    let certificates = Certificates::new();
    let upstream = Upstream::script([
        Reply::text(200, "hello"),
        Reply::status(404).header("Strict-Transport-Security", "max-age=0"),
    ])
    .await;
    let proxy = proxy(&certificates, &upstream).await;
    let target = over_tls(&proxy, &certificates);
    for status in [200, 404] {
        let response = target.get("/").send().await;
        response
            .expect_status(status)
            .usually("the port speaks plain HTTP: a listener with TLS is added by another method");
        let lines = response.header_all("strict-transport-security");
        expect(
            lines.len() == 1 && lines.iter().all(|line| asks_for_a_year(line)),
            "one Strict-Transport-Security with a max-age of a year or more",
        )
        .usually("of two the browser reads the first one, and that is the upstream's");
    }
}

#[tokio::test]
async fn says_so_on_no_plain_connection() {
    let certificates = Certificates::new();
    let upstream = Upstream::echo().await;
    let proxy = proxy(&certificates, &upstream).await;
    let answer = over_tls(&proxy, &certificates).get("/").send().await;
    answer
        .expect_header_where("strict-transport-security", "any value over TLS", |_| true)
        .usually("the port speaks plain HTTP, or the answer says nothing there either");

    let [redirect, refusal] = [
        send(&proxy, "GET / HTTP/1.1\r\nHost: one.test\r\n\r\n").await,
        send(&proxy, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n").await,
    ];
    for response in [redirect, refusal] {
        response
            .expect_no_header("strict-transport-security")
            .usually("a browser ignores it there, since anybody could have written it (RFC 6797, section 7.2)");
    }
}

/// `max-age` is the directive that counts; others may stand beside it (RFC 6797, section 6.1).
fn asks_for_a_year(line: &str) -> bool {
    line.split(';').any(|directive| {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        let seconds = value.trim().trim_matches('"').parse();
        name.trim().eq_ignore_ascii_case("max-age") && seconds.is_ok_and(|it: u64| it >= YEAR)
    })
}

mod given {
    use super::*;

    #[tokio::test]
    async fn a_certificate_that_is_missing_is_named_at_the_start() {
        let certificates = Certificates::new();
        certificates.remove("one.test.key");
        let proxy = Proxy::of(EXERCISE).env("CERTS", certificates.folder());
        let ended = proxy.run_to_end().await;
        ended.expect_code(2);
        ended.expect_stderr_contains("one.test.key");
        ended.expect_stderr_contains("cargo run --bin ch08-certificates");
    }

    #[tokio::test]
    async fn nothing_on_the_plain_port_reaches_an_upstream() {
        let certificates = Certificates::new();
        let upstream = Upstream::echo().await;
        let proxy = proxy(&certificates, &upstream).await;
        proxy.get("/").send().await;
        proxy.post("/").body("x").send().await;
        upstream.expect_no_request();
    }
}
