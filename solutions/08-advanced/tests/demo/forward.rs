//! What comes through, over HTTP/2 and as a WebSocket.

use std::{future::pending, time::Duration};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, future::join_all};
use http_body_util::{BodyExt, Full};
use hyper::{Request, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use lab::{Certificates, Upstream, expect, patience};
use tokio::{
    net::TcpListener,
    time::{sleep, timeout},
};
use tokio_tungstenite::{client_async, tungstenite::Message};

use crate::setup::{demo, https, tls};

#[tokio::test]
async fn many_requests_share_a_connection_of_http2() {
    let certificates = Certificates::new();
    let upstream = Upstream::echo().await;
    let proxy = demo(&certificates).in_front_of(&upstream).await;
    let target = proxy
        .port("LISTEN_TLS")
        .tls(tls(&certificates).alpn(["h2"]));
    let stream = TokioIo::new(target.stream().await);
    let (client, connection) = http2::handshake(TokioExecutor::new(), stream)
        .await
        .expect("a connection");
    tokio::spawn(connection);
    let requests = (0..50).map(|number| {
        let mut client = client.clone();
        async move {
            let body = format!("{number}").repeat(10_000);
            let request = Request::post(format!("https://one.test/{number}"))
                .header("cookie", "a=1")
                .header("cookie", "b=2")
                .body(Full::<Bytes>::from(body.clone()))
                .expect("a request");
            let answer = client.send_request(request).await.expect("an answer");
            expect(answer.status() == 200, "200");
            let text = answer
                .into_body()
                .collect()
                .await
                .expect("a body")
                .to_bytes();
            let echo: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
            expect(echo["target"] == format!("/{number}"), "its own answer");
            expect(echo["body_bytes"] == body.len(), "its own body");
        }
    });
    join_all(requests).await;
    upstream.expect_requests(50);
    // In HTTP/1.1 a cookie is one line (RFC 9113, section 8.2.3).
    upstream
        .last_request()
        .expect_header("cookie", "a=1; b=2")
        .expect_header("host", "one.test")
        .expect_header("x-forwarded-host", "one.test")
        .expect_header("x-forwarded-proto", "https");
}

#[tokio::test]
async fn connections_to_the_upstream_are_used_again() {
    let certificates = Certificates::new();
    let upstream = Upstream::echo().await;
    let proxy = demo(&certificates).in_front_of(&upstream).await;
    let client = https(&proxy, &certificates).client().await;
    for _ in 0..20 {
        client.get("/").send().await.expect_status(200);
    }
    client.expect_open().await;
    expect(
        upstream.connections() == 1,
        "one connection to the upstream",
    );
}

#[tokio::test]
async fn an_upstream_that_refuses_is_passed_over() {
    let certificates = Certificates::new();
    let (dead, alive) = (Upstream::refusing().await, Upstream::echo().await);
    let proxy = demo(&certificates).in_front_of_all([&dead, &alive]).await;
    for _ in 0..4 {
        let request = https(&proxy, &certificates).post("/").body("x");
        request.send().await.expect_status(200);
    }
    alive.expect_requests(4);
}

/// The limits for bodies do not hold for it, nor those for a client or an upstream that is silent.
#[tokio::test]
async fn a_websocket_goes_through_and_has_its_own_limit() {
    let certificates = Certificates::new();
    let echo = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = echo.local_addr().expect("its address");
    tokio::spawn(upstreams::serve(echo, "echo", pending()));
    let proxy = demo(&certificates)
        .env("UPSTREAMS", address)
        .env("BODY_LIMIT", 10)
        .env("BODY_TIMEOUT_MS", 100)
        .env("CLIENT_TIMEOUT_MS", 100)
        .env("READ_TIMEOUT_MS", 100)
        .env("TUNNEL_IDLE_MS", 3_000)
        .alone()
        .await;
    let stream = https(&proxy, &certificates).stream().await;
    let (mut socket, _) = client_async("ws://one.test/ws", stream)
        .await
        .expect("a WebSocket");
    for _ in 0..3 {
        // Longer than the other limits, and a tenth of its own.
        sleep(Duration::from_millis(300)).await;
        let message = Message::text("more than ten bytes");
        socket.send(message.clone()).await.expect("it is open");
        let answer = socket.next().await.and_then(Result::ok);
        expect(answer == Some(message), "the message comes back");
    }
    let end = timeout(patience(), socket.next()).await;
    expect(
        matches!(end, Ok(None | Some(Err(_)))),
        format!("the tunnel ends when it is idle, not {end:?}"),
    );
}
