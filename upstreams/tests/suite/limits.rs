//! Time-outs and the bound on connections, made short.

use crate::common::{Response, Server, patiently};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use upstreams::Limits;

const SHORT: Duration = Duration::from_millis(100);

#[tokio::test]
async fn a_head_that_trickles_in_is_cut_off() {
    let server = Server::with(Limits {
        head: SHORT,
        ..Limits::default()
    })
    .await;
    let mut wire = server.connect().await;
    wire.send("GET / HTTP/1.1\r\nHost: x\r\n").await;
    let trickle = async {
        loop {
            // Progress does not help: the time is for the whole head.
            if wire.stream.writable().await.is_err() || wire.stream.try_write(b"X: y\r\n").is_err()
            {
                break;
            }
            let mut bytes = vec![0; 1024];
            if let Ok(length) = wire.stream.try_read(&mut bytes) {
                bytes.truncate(length);
                return bytes;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Vec::new()
    };
    let answer = patiently("the end of patience", trickle).await;
    assert_eq!(Response::parse(&answer).status, 408);
}

#[tokio::test]
async fn a_preface_that_trickles_in_is_cut_off() {
    let server = Server::with(Limits {
        head: SHORT,
        ..Limits::default()
    })
    .await;
    let mut wire = server.connect().await;
    wire.send("PRI * HTTP/2").await;
    assert_eq!(wire.rest().await, b"");
}

#[tokio::test]
async fn a_body_without_progress_is_cut_off() {
    let server = Server::with(Limits {
        progress: SHORT,
        ..Limits::default()
    })
    .await;
    let response = server
        .exchange("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab")
        .await;
    assert_eq!(response.status, 408);
}

#[tokio::test]
async fn idle_connections_are_closed() {
    let server = Server::with(Limits {
        idle: SHORT,
        ..Limits::default()
    })
    .await;
    assert_eq!(server.connect().await.rest().await, b"");

    // Longer, so that the request is there in time on a loaded machine.
    let server = Server::with(Limits {
        idle: Duration::from_secs(2),
        ..Limits::default()
    })
    .await;
    let mut wire = server.connect().await;
    wire.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(wire.response().await.status, 200);
    assert_eq!(wire.rest().await, b"");
}

#[tokio::test]
async fn idle_http2_connections_are_closed() {
    let server = Server::with(Limits {
        idle: SHORT,
        ..Limits::default()
    })
    .await;
    let mut wire = server.connect().await;
    wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await;
    assert!(!wire.rest().await.is_empty());
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let server = Server::with(Limits {
        progress: SHORT,
        connections: 1,
        ..Limits::default()
    })
    .await;
    let mut stuck = server.connect().await;
    stuck
        .send("GET /bytes/104857600 HTTP/1.1\r\nHost: x\r\n\r\n")
        .await;
    // There is one place: this is answered when the first connection has lost it.
    assert_eq!(server.get("/").await.json()["connection"], 2);
}

#[tokio::test]
async fn connections_beyond_the_bound_wait() {
    let server = Server::with(Limits {
        connections: 2,
        ..Limits::default()
    })
    .await;
    let mut first = server.connect().await;
    first.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    first.response().await;
    let mut second = server.connect().await;
    second.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    second.response().await;

    let mut third = server.connect().await;
    third.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    first
        .send("GET /delay/50 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await;
    let mut byte = [0; 1];
    tokio::select! {
        biased;
        _ = third.stream.read(&mut byte) => panic!("a third connection was served"),
        response = first.response() => assert_eq!(response.status, 200),
    }
    drop(first);
    assert_eq!(third.response().await.json()["connection"], 3);
}
