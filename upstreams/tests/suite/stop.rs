//! A graceful stop.

use crate::common::{Server, patiently};
use std::time::Duration;
use tokio::net::TcpStream;
use upstreams::Limits;

#[tokio::test]
async fn what_is_in_flight_is_finished_and_the_rest_closed() {
    let server = Server::start().await;
    let address = server.address;
    let (mut idle, mut busy, mut fresh) = (
        server.connect().await,
        server.connect().await,
        server.connect().await,
    );
    idle.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    idle.response().await;
    busy.send("GET /drip/3?every=100 HTTP/1.1\r\nHost: x\r\n\r\n")
        .await;
    busy.until("line 1 of 3\n").await;

    let stopped = server.stop();
    assert_eq!(idle.rest().await, b"");
    assert_eq!(fresh.rest().await, b"");
    let rest = String::from_utf8(busy.rest().await).unwrap();
    assert!(rest.ends_with("line 3 of 3\n\r\n0\r\n\r\n"), "{rest:?}");
    patiently("the stop", stopped).await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn an_answer_during_the_stop_says_close() {
    let server = Server::start().await;
    let mut wire = server.connect().await;
    wire.send("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        .await;
    wire.until("100 Continue\r\n\r\n").await;
    let stopped = server.stop();
    wire.send("hi").await;
    let response = wire.response().await;
    assert_eq!(response.header("connection"), Some("close"));
    assert_eq!(wire.rest().await, b"");
    patiently("the stop", stopped).await.unwrap().unwrap();
}

#[tokio::test]
async fn what_takes_too_long_is_cut() {
    let server = Server::with(Limits {
        drain: Duration::from_millis(50),
        ..Limits::default()
    })
    .await;
    let mut wire = server.connect().await;
    wire.send("GET /drip/10000?every=10000 HTTP/1.1\r\nHost: x\r\n\r\n")
        .await;
    wire.until("line 1 of 10000\n").await;
    patiently("the stop", server.stop()).await.unwrap().unwrap();
    assert_eq!(wire.rest().await, b"\r\n");
}
