//! WebSocket on /ws.

use crate::common::{Server, patiently};
use futures_util::{SinkExt, StreamExt};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_tungstenite::{WebSocketStream, client_async};
use upstreams::Limits;

async fn connect(server: &Server) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (socket, response) = client_async("ws://x/ws", stream).await.unwrap();
    assert_eq!(response.headers()["x-upstream"], "a");
    assert_eq!(response.headers()["server"], "upstreams");
    socket
}

async fn next(socket: &mut WebSocketStream<TcpStream>) -> Option<Message> {
    patiently("a message", socket.next())
        .await
        .and_then(Result::ok)
}

fn close_code(message: Option<Message>) -> Option<u16> {
    match message {
        Some(Message::Close(Some(frame))) => Some(frame.code.into()),
        _ => None,
    }
}

#[tokio::test]
async fn every_message_comes_back() {
    let server = Server::start().await;
    let mut socket = connect(&server).await;
    for message in [
        Message::text("hello"),
        Message::binary(vec![0, 255]),
        Message::text(""),
        Message::binary(vec![7; 1024 * 1024]),
    ] {
        socket.send(message.clone()).await.unwrap();
        assert!(next(&mut socket).await == Some(message));
    }
    socket.send(Message::Ping("p".into())).await.unwrap();
    assert_eq!(next(&mut socket).await, Some(Message::Pong("p".into())));
    socket.close(None).await.unwrap();
    assert!(matches!(next(&mut socket).await, Some(Message::Close(_))));
    assert_eq!(next(&mut socket).await, None);
}

#[tokio::test]
async fn a_frame_sent_with_the_handshake_is_not_lost() {
    let server = Server::start().await;
    let mut wire = server.connect().await;
    let mut bytes =
        b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            .to_vec();
    bytes.extend(b"\x81\x82\0\0\0\0hi");
    wire.send(bytes).await;
    let head = wire.until("\r\n\r\n").await;
    assert!(
        head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"),
        "{head}"
    );
    // The example of RFC 6455, section 1.3.
    assert!(
        head.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
        "{head}"
    );
    assert!(
        head.contains("connection: upgrade\r\n") && !head.contains("content-"),
        "{head}"
    );
    // 0x81: a whole message, text.
    assert_eq!(wire.until("hi").await, "\u{fffd}\u{2}hi");
}

#[tokio::test]
async fn a_message_beyond_the_bound_closes_with_1009() {
    let server = Server::start().await;
    let mut socket = connect(&server).await;
    let _ = socket.send(Message::binary(vec![0; 1024 * 1024 + 1])).await;
    let closed = next(&mut socket).await;
    assert!(closed.is_none() || close_code(closed) == Some(1009));
    assert_eq!(server.get("/").await.status, 200);
}

#[tokio::test]
async fn frames_that_break_the_protocol_end_the_connection() {
    let server = Server::start().await;
    let mut socket = connect(&server).await;
    tokio::io::AsyncWriteExt::write_all(socket.get_mut(), b"\xff\x80\0\0\0\0")
        .await
        .unwrap();
    assert_eq!(close_code(next(&mut socket).await), Some(1002));
}

#[tokio::test]
async fn idle_and_stop_say_good_bye() {
    let idle = Limits {
        idle: Duration::from_secs(2),
        ..Limits::default()
    };
    let server = Server::with(idle).await;
    assert_eq!(
        close_code(next(&mut connect(&server).await).await),
        Some(1001)
    );

    let server = Server::start().await;
    let mut socket = connect(&server).await;
    let stopped = server.stop();
    assert_eq!(close_code(next(&mut socket).await), Some(1001));
    patiently("the stop", stopped).await.unwrap().unwrap();
}

#[tokio::test]
async fn what_is_no_handshake_is_told_so() {
    let server = Server::start().await;
    for lines in [
        "",
        "Upgrade: websocket\r\n",
        "Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: a\r\n",
        "Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n",
        "Upgrade: h2c\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: a\r\n",
    ] {
        let response = server
            .exchange(format!(
                "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n"
            ))
            .await;
        assert_eq!(response.status, 426, "{lines:?}");
        assert_eq!(response.header("upgrade"), Some("websocket"));
        assert_eq!(response.header("connection"), Some("upgrade, close"));
    }
}
