//! What is sent by mistake or in bad faith. After each of these the server must still answer others.

use crate::common::{Response, Server};
use tokio::io::AsyncWriteExt;

const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";

#[tokio::test]
async fn malformed_requests_get_a_400_and_the_door() {
    let server = Server::start().await;
    for request in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET / HTTP/3.0\r\nHost: a\r\n\r\n",
        "GET /\r\n\r\n",
        "hello\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01",
    ] {
        let response = server
            .exchange(format!(
                "{request}GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
            ))
            .await;
        assert_eq!(response.status, 400, "{request:?}");
        assert_eq!(response.header("connection"), Some("close"), "{request:?}");
        assert_eq!(response.header("server"), Some("upstreams"));
        // One answer: what stands behind the bad request is not a request.
        assert!(
            response.text().starts_with("malformed request: "),
            "{}",
            response.text()
        );
        assert!(!response.text().contains("HTTP/1.1 "), "{request:?}");
    }
    assert_eq!(server.get("/").await.status, 200);
}

#[tokio::test]
async fn bad_chunks_get_a_400() {
    let server = Server::start().await;
    for chunks in [
        "fffffffffffffffff\r\nx",
        "+1\r\nx\r\n0\r\n\r\n",
        "1 \r\nx\r\n0\r\n\r\n",
        "1\r\nxx\r\n0\r\n\r\n",
        "\r\n",
    ] {
        let response = server.exchange(format!("{CHUNKED}{chunks}")).await;
        assert_eq!(response.status, 400, "{chunks:?}");
    }
}

#[tokio::test]
async fn what_is_too_large_is_named() {
    let server = Server::start().await;
    let filler = "x".repeat(70_000);
    let many = "A: b\r\n".repeat(300);
    for (request, status) in [
        (
            format!("GET / HTTP/1.1\r\nHost: x\r\nA: {filler}\r\n\r\n"),
            431,
        ),
        (format!("GET /{filler} HTTP/1.1\r\nHost: x\r\n\r\n"), 431),
        (format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n"), 431),
        (format!("{CHUNKED}1;{filler}\r\nx\r\n0\r\n\r\n"), 413),
        (format!("{CHUNKED}0\r\nA: {filler}\r\n\r\n"), 413),
        (format!("{CHUNKED}0\r\n{many}\r\n"), 413),
    ] {
        let response = server.exchange(request).await;
        assert_eq!(response.status, status);
        assert_eq!(response.header("connection"), Some("close"));
    }
    assert_eq!(server.get("/").await.status, 200);
}

#[tokio::test]
async fn random_bytes_do_no_harm() {
    let server = Server::start().await;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        // xorshift: the same bytes in every run.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let seeds = [
        "",
        "GET / HTTP/1.1\r\n",
        CHUNKED,
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    for round in 0..200 {
        let mut bytes = seeds[round % seeds.len()].as_bytes().to_vec();
        let length = random() % 2000;
        bytes.extend((0..length).map(|_| random().to_be_bytes()[0]));
        let mut wire = server.connect().await;
        // The server may close before it has read everything.
        let _ = wire.stream.write_all(&bytes).await;
        let _ = wire.stream.shutdown().await;
        let mut answer = Vec::new();
        let read = tokio::io::AsyncReadExt::read_to_end(&mut wire.stream, &mut answer);
        let _ = crate::common::patiently("an end", read).await;
        if answer.starts_with(b"HTTP/1.1") {
            assert_ne!(Response::parse(&answer).status, 500);
        }
    }
    assert_eq!(server.get("/").await.status, 200);
}

#[tokio::test]
async fn a_request_that_ends_early_is_not_answered() {
    let server = Server::start().await;
    for part in [
        "GET / HT",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabc",
        &format!("{CHUNKED}5\r\nab"),
    ] {
        let mut wire = server.connect().await;
        wire.send(part).await;
        wire.stream.shutdown().await.unwrap();
        assert_eq!(wire.rest().await, b"", "{part:?}");
    }
}

#[tokio::test]
async fn a_client_that_reads_nothing_holds_nobody_up() {
    let server = Server::start().await;
    let mut wire = server.connect().await;
    for _ in 0..20 {
        wire.send("GET /bytes/104857600 HTTP/1.1\r\nHost: x\r\n\r\n")
            .await;
    }
    assert_eq!(server.get("/").await.status, 200);
}
