//! 8.5 Clients get HTTP/2 or HTTP/1.1 as they ask for it, and the upstream gets HTTP/2 from all of them, on one
//! connection.

use hyper::Version;
use lab::{Certificates, Proxy, ProxyBuilder, Target, Tls, expect, soon};

#[path = "support/h2.rs"]
mod h2;
use h2::{Client, HEADERS, RST_STREAM, Upstream, frames_after};

const EXERCISE: &str = "8-5";

const NOT_H2_UPSTREAM: &str = "set_http_version takes the highest and the lowest version; without TLS nothing is negotiated, and Pingora takes HTTP/1.1 unless 2 is the lowest";

fn proxy(certificates: &Certificates) -> ProxyBuilder {
    Proxy::of(EXERCISE).env("CERTS", certificates.folder())
}

async fn start(certificates: &Certificates, upstream: &Upstream) -> Proxy {
    let builder = proxy(certificates).env("UPSTREAMS", upstream.address);
    builder.alone().await
}

/// The TLS port, for a client that offers these protocols.
fn offering(proxy: &Proxy, certificates: &Certificates, protocols: &[&'static str]) -> Target {
    let tls = Tls::trusting(certificates.authority()).name("one.test");
    let protocols = protocols.to_vec();
    let tls = if protocols.is_empty() {
        tls
    } else {
        tls.alpn(protocols)
    };
    proxy.port("LISTEN_TLS").tls(tls)
}

/// Sends over HTTP/2, and expects that it comes back over HTTP/2.
async fn expect_echo_over_http2(target: &Target, usually: &str) {
    let client = Client::open(target, "one.test").await;

    let answer = client.post("/", "hello").await;

    let found = match &answer {
        Ok(answer) => format!("status {}", answer.status()),
        Err(error) => error.to_string(),
    };
    expect(
        answer.is_ok_and(|it| it.version() == Version::HTTP_2 && it.body() == "hello"),
        format!("the upstream's answer, over HTTP/2: found {found}"),
    )
    .usually(usually);
}

#[tokio::test]
async fn clients_that_offer_both_get_http2() {
    let certificates = Certificates::new();
    let upstream = Upstream::start().await;
    let proxy = start(&certificates, &upstream).await;
    let target = offering(&proxy, &certificates, &["h2", "http/1.1"]);

    let handshake = target.handshake().await;

    handshake
        .expect_alpn("h2")
        .usually("a TLS listener of Pingora agrees on nothing unless it is told to: enable_h2");
    expect_echo_over_http2(&target, NOT_H2_UPSTREAM).await;
}

#[tokio::test]
async fn clients_with_prior_knowledge_get_http2_without_tls() {
    let certificates = Certificates::new();
    let upstream = Upstream::start().await;
    let proxy = start(&certificates, &upstream).await;

    expect_echo_over_http2(
        &proxy.port("LISTEN"),
        "without TLS, HTTP/2 is an option of the server: h2c",
    )
    .await;
}

#[tokio::test]
async fn the_upstream_gets_http2_from_every_client() {
    let certificates = Certificates::new();
    let upstream = Upstream::start().await;
    let proxy = start(&certificates, &upstream).await;

    let answer = proxy.post("/").body("hello").send().await;

    answer.expect_status(200).usually(NOT_H2_UPSTREAM);
    answer.expect_body("hello");
    let http1 = offering(&proxy, &certificates, &["http/1.1"]);
    let answer = http1.post("/").body("hello").send().await;
    answer.expect_status(200).expect_body("hello");
    let http2 = offering(&proxy, &certificates, &["h2"]);
    expect_echo_over_http2(&http2, NOT_H2_UPSTREAM).await;

    let versions = Vec::from_iter(upstream.arrived().into_iter().map(|it| it.version));
    expect(
        versions == [Version::HTTP_2; 3],
        format!("three requests over HTTP/2 at the upstream: found {versions:?}"),
    )
    .usually(NOT_H2_UPSTREAM);
}

#[tokio::test]
async fn the_upstream_gets_the_clients_host_as_authority() {
    let certificates = Certificates::new();
    let upstream = Upstream::start().await;
    let proxy = start(&certificates, &upstream).await;

    let request = proxy.get("/").header("host", "shop.example:8080");
    request
        .send()
        .await
        .expect_status(200)
        .usually(NOT_H2_UPSTREAM);
    let http2 = offering(&proxy, &certificates, &["h2"]);
    expect_echo_over_http2(&http2, NOT_H2_UPSTREAM).await;

    let arrived = upstream.arrived();
    let authorities = Vec::from_iter(arrived.iter().map(|it| it.authority.as_str()));
    expect(
        authorities == ["shop.example:8080", "one.test"],
        format!("the hosts of both clients as :authority: found {authorities:?}"),
    );
    expect(
        arrived.iter().all(|it| !it.headers.contains_key("host")),
        "no host beside :authority",
    );
}

#[tokio::test]
async fn what_belongs_to_a_connection_ends_at_the_proxy() {
    let certificates = Certificates::new();
    let upstream = Upstream::start().await;
    let proxy = start(&certificates, &upstream).await;

    let request = proxy.get("/").header("connection", "x-private, keep-alive");
    let request = request
        .header("x-private", "1")
        .header("keep-alive", "timeout=5");
    let answer = request.header("x-public", "1").send().await;

    answer.expect_status(200).usually(NOT_H2_UPSTREAM);
    let headers = upstream.arrived().pop().map(|it| it.headers);
    let headers = headers.unwrap_or_default();
    expect(headers.contains_key("x-public"), "x-public at the upstream");
    for name in ["connection", "keep-alive", "x-private"] {
        expect(
            !headers.contains_key(name),
            format!("no {name} at the upstream (RFC 9113, section 8.2.2)"),
        );
    }
}

#[tokio::test]
async fn http2_requests_with_headers_of_a_connection_are_refused() {
    let certificates = Certificates::new();
    let upstream = Upstream::start().await;
    let proxy = start(&certificates, &upstream).await;
    let target = proxy.port("LISTEN");

    let good = frames_after(&target, "x-public", "1").await;
    let bad = frames_after(&target, "connection", "x-public").await;

    expect(
        good.first() == Some(&HEADERS),
        format!("an answer to a request over HTTP/2: found frames of types {good:?}"),
    )
    .usually("without TLS, HTTP/2 is an option of the server: h2c");
    expect(
        bad == [RST_STREAM],
        format!("a reset stream for a header that HTTP/2 forbids: found frames of types {bad:?}"),
    );
    expect(upstream.arrived().len() == 1, "1 request at the upstream");
}

#[tokio::test]
async fn requests_that_run_at_once_share_a_connection() {
    const COUNT: usize = 100;
    let certificates = Certificates::new();
    let upstream = Upstream::start().await;
    let proxy = start(&certificates, &upstream).await;
    let target = offering(&proxy, &certificates, &["h2"]);
    let client = Client::open(&target, "one.test").await;

    // One after the other: two that look for a connection in the same moment may find it taken.
    let mut answers = Vec::new();
    for count in 1..=COUNT {
        let client = client.clone();
        answers.push(tokio::spawn(async move { client.post("/gate", "x").await }));
        soon(format!("{count} requests at the upstream"), async || {
            upstream.arrived().len() == count
        })
        .usually("the client sends them all on one connection; each waits at the upstream for all others")
        .await;
    }

    let connections = upstream.arrived().iter().map(|it| it.connection).max();
    let connections = connections.map_or(0, |it| it + 1);
    expect(
        connections == 1,
        format!("{COUNT} requests at a time on 1 connection to the upstream: found {connections}"),
    )
    .usually(
        "max_h2_streams says how many requests at a time a connection may carry; it is 1 by itself",
    );
    upstream.release(COUNT);
    for answer in answers {
        let answer = answer.await;
        expect(matches!(answer, Ok(Ok(_))), "an answer to each of them");
    }
}

mod given {
    use super::*;

    #[tokio::test]
    async fn clients_that_offer_http1_get_http1() {
        let certificates = Certificates::new();
        let proxy = proxy(&certificates).alone().await;

        let target = offering(&proxy, &certificates, &["http/1.1"]);
        target.handshake().await.expect_agreed();
        // Nobody listens behind the proxy.
        target.get("/").send().await.expect_status(502);
    }

    #[tokio::test]
    async fn clients_that_offer_nothing_get_http1() {
        let certificates = Certificates::new();
        let proxy = proxy(&certificates).alone().await;

        let target = offering(&proxy, &certificates, &[]);

        target.get("/").send().await.expect_status(502);
    }

    #[tokio::test]
    async fn clients_without_tls_get_http1() {
        let certificates = Certificates::new();
        let proxy = proxy(&certificates).alone().await;

        proxy.get("/").send().await.expect_status(502);
    }

    #[tokio::test]
    async fn a_missing_certificate_is_said() {
        let certificates = Certificates::new();
        certificates.remove("one.test.pem");
        let ended = proxy(&certificates).run_to_end().await;
        ended.expect_code(2);
        ended.expect_stderr_contains("one.test.pem");
    }
}
