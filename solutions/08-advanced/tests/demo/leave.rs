//! A stop cuts nobody off.

use std::time::Instant;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{Request, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use lab::{Certificates, Proxy, Reply, Signal, Upstream, eventually, expect};

use crate::setup::{demo, https, tls};

/// A minute: who leaves within the patience of a test has not slept it.
async fn edge(upstream: &Upstream) -> (Certificates, Proxy) {
    let certificates = Certificates::new();
    let proxy = demo(&certificates)
        .env("DRAIN_MS", 60_000)
        .in_front_of(upstream)
        .await;
    (certificates, proxy)
}

#[tokio::test]
async fn what_is_in_flight_ends_and_then_the_process() {
    let upstream = Upstream::always(Reply::pieces(["one", "two"])).await;
    let (certificates, proxy) = edge(&upstream).await;
    let target = https(&proxy, &certificates);
    let mut download = target.get("/").start().await;
    download.expect_piece("one").await;
    let idle = target.client().await;
    idle.handshake().await.expect_agreed();
    proxy.signal(Signal::SIGTERM);
    eventually("nobody listens any more", async || {
        proxy.get("/healthz").send().await.status == 0
    })
    .await;
    eventually("the idle connection is closed", async || {
        !idle.is_open().await
    })
    .await;
    upstream.release();
    download.expect_piece("two").await;
    download
        .finish()
        .await
        .expect_status(200)
        .expect_body("onetwo");
    proxy.wait_for_exit().await.expect_code(0);
}

#[tokio::test]
async fn who_is_answered_during_the_stop_is_told_to_close() {
    let upstream = Upstream::always(Reply::text(200, "late").gate()).await;
    let (certificates, proxy) = edge(&upstream).await;
    let mut client = https(&proxy, &certificates).connect().await;
    client
        .send("GET / HTTP/1.1\r\nHost: one.test\r\n\r\n")
        .await;
    upstream.wait_for_requests(1).await;
    proxy.signal(Signal::SIGTERM);
    eventually("nobody listens any more", async || {
        proxy.get("/healthz").send().await.status == 0
    })
    .await;
    upstream.release();
    client
        .read_response()
        .await
        .expect_status(200)
        .expect_header("connection", "close")
        .expect_body("late");
    proxy.wait_for_exit().await.expect_code(0);
}

#[tokio::test]
async fn a_stream_of_http2_ends_too() {
    let upstream = Upstream::always(Reply::pieces(["one", "two"])).await;
    let (certificates, proxy) = edge(&upstream).await;
    let target = proxy
        .port("LISTEN_TLS")
        .tls(tls(&certificates).alpn(["h2"]));
    let stream = TokioIo::new(target.stream().await);
    let (mut client, connection) = http2::handshake(TokioExecutor::new(), stream)
        .await
        .expect("a connection");
    let connection = tokio::spawn(connection);
    let request = Request::get("https://one.test/")
        .body(Empty::<Bytes>::new())
        .expect("a request");
    let answer = client.send_request(request).await.expect("an answer");
    proxy.signal(Signal::SIGTERM);
    eventually("nobody listens any more", async || {
        proxy.get("/healthz").send().await.status == 0
    })
    .await;
    upstream.release();
    let body = answer.into_body().collect().await.expect("a whole body");
    expect(body.to_bytes() == "onetwo", "both pieces");
    drop(client);
    _ = connection.await;
    proxy.wait_for_exit().await.expect_code(0);
}

#[tokio::test]
async fn nothing_in_flight_means_at_once() {
    let upstream = Upstream::echo().await;
    let (certificates, proxy) = edge(&upstream).await;
    let client = https(&proxy, &certificates).client().await;
    client.get("/").send().await.expect_status(200);
    proxy.signal(Signal::SIGTERM);
    proxy.wait_for_exit().await.expect_code(0);
    expect(!client.is_open().await, "the kept connection is closed");
}

#[tokio::test]
async fn the_limit_ends_what_does_not() {
    let certificates = Certificates::new();
    let upstream = Upstream::silent().await;
    let proxy = demo(&certificates)
        .env("DRAIN_MS", 300)
        .in_front_of(&upstream)
        .await;
    let mut client = https(&proxy, &certificates).connect().await;
    client
        .send("GET / HTTP/1.1\r\nHost: one.test\r\n\r\n")
        .await;
    upstream.wait_for_requests(1).await;
    let asked = Instant::now();
    proxy.signal(Signal::SIGTERM);
    proxy.wait_for_exit().await.expect_code(0);
    expect(
        asked.elapsed().as_millis() >= 300,
        "the limit was waited for",
    );
}
