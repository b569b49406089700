//! Clients that take their time: each wait has an end, and so has the sum of them.

use std::time::Duration;

use lab::{Certificates, Proxy, Reply, Upstream, Wire, eventually, expect, patience};
use tokio::{
    io::AsyncReadExt,
    time::{sleep, timeout},
};

use crate::{demo, setup::tls, wire};

async fn impatient(variable: &str, upstream: &Upstream) -> (Certificates, Proxy) {
    let certificates = Certificates::new();
    let proxy = demo(&certificates)
        .env(variable, 1_000)
        .in_front_of(upstream)
        .await;
    (certificates, proxy)
}

/// Sends a byte now and then, as long as the connection is open: no single wait is long.
async fn drip(client: &mut Wire, piece: &str) {
    eventually("the connection ends although bytes flow", async || {
        client.send(piece).await;
        sleep(Duration::from_millis(20)).await;
        !client.is_open().await
    })
    .await;
}

/// Slowloris.
#[tokio::test]
async fn a_header_that_comes_byte_by_byte_has_an_end() {
    let upstream = Upstream::echo().await;
    let (certificates, proxy) = impatient("HEADER_TIMEOUT_MS", &upstream).await;
    for target in [wire(&proxy, &certificates).await, proxy.connect().await] {
        let mut client = target;
        client
            .send("GET /a HTTP/1.1\r\nHost: one.test\r\nX-A: ")
            .await;
        drip(&mut client, "a").await;
    }
    upstream.expect_no_request();
}

#[tokio::test]
async fn so_has_the_header_of_the_second_request() {
    let upstream = Upstream::echo().await;
    let (certificates, proxy) = impatient("HEADER_TIMEOUT_MS", &upstream).await;
    let mut client = wire(&proxy, &certificates).await;
    client
        .send("GET /a HTTP/1.1\r\nHost: one.test\r\n\r\n")
        .await;
    client.read_response().await.expect_status(200);
    client
        .send("GET /b HTTP/1.1\r\nHost: one.test\r\nX-A: ")
        .await;
    drip(&mut client, "a").await;
    upstream.expect_requests(1);
}

/// Pingora alone would keep it without end after its first request.
#[tokio::test]
async fn an_idle_connection_is_closed() {
    let upstream = Upstream::echo().await;
    let (certificates, proxy) = impatient("HEADER_TIMEOUT_MS", &upstream).await;
    let mut fresh = wire(&proxy, &certificates).await;
    fresh.handshake().expect_agreed();
    let mut used = wire(&proxy, &certificates).await;
    used.send("GET /a HTTP/1.1\r\nHost: one.test\r\n\r\n").await;
    used.read_response().await.expect_status(200);
    fresh.read_to_end().await;
    used.read_to_end().await;
}

/// One that says it speaks HTTP/2, and then nothing.
#[tokio::test]
async fn a_client_of_http2_that_does_not_begin_is_closed() {
    let upstream = Upstream::echo().await;
    let (certificates, proxy) = impatient("HEADER_TIMEOUT_MS", &upstream).await;
    let target = proxy
        .port("LISTEN_TLS")
        .tls(tls(&certificates).alpn(["h2"]));
    let mut stream = target.stream().await;
    let mut bytes = Vec::new();
    let ended = timeout(patience(), stream.read_to_end(&mut bytes)).await;
    // How it ends does not matter.
    expect(ended.is_ok(), "the connection ends");
    expect(
        stream.alpn().as_deref() == Some("h2"),
        "HTTP/2 was agreed on",
    );
}

/// The limit is for the header: what comes after it takes its own time.
#[tokio::test]
async fn a_slow_answer_is_no_slow_header() {
    let slow = Reply::text(200, "at last").after(Duration::from_millis(2_000));
    let upstream = Upstream::always(slow).await;
    let (certificates, proxy) = impatient("HEADER_TIMEOUT_MS", &upstream).await;
    let mut client = wire(&proxy, &certificates).await;
    client
        .send("GET /a HTTP/1.1\r\nHost: one.test\r\n\r\n")
        .await;
    client.read_response().await.expect_status(200);
}

#[tokio::test]
async fn a_body_that_comes_byte_by_byte_has_an_end() {
    let upstream = Upstream::echo().await;
    let (certificates, proxy) = impatient("BODY_TIMEOUT_MS", &upstream).await;
    let mut client = wire(&proxy, &certificates).await;
    client
        .send("POST /a HTTP/1.1\r\nHost: one.test\r\nContent-Length: 1000000\r\n\r\n")
        .await;
    drip(&mut client, "a").await;
    client.read_response().await.expect_status(408);
    let request = upstream.last_request();
    expect(!request.complete, "no whole request for the upstream");
}

#[tokio::test]
async fn a_body_that_does_not_come_has_an_end() {
    let upstream = Upstream::echo().await;
    let (certificates, proxy) = impatient("CLIENT_TIMEOUT_MS", &upstream).await;
    let mut client = wire(&proxy, &certificates).await;
    client
        .send("POST /a HTTP/1.1\r\nHost: one.test\r\nContent-Length: 10\r\n\r\nabc")
        .await;
    client.read_response().await.expect_status(408);
    client.read_to_end().await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_given_up() {
    let upstream = Upstream::always(Reply::text(200, vec![b'a'; 64 << 20])).await;
    let (certificates, proxy) = impatient("CLIENT_TIMEOUT_MS", &upstream).await;
    let mut client = wire(&proxy, &certificates).await;
    client
        .send("GET /a HTTP/1.1\r\nHost: one.test\r\n\r\n")
        .await;
    proxy.wait_for_log("WriteTimedout").await;
    eventually("the upstream is rid of it too", async || {
        upstream.open_connections() == 0
    })
    .await;
}
