//! The default answer over HTTP/1.

use crate::common::Server;
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn the_answer_is_the_request_in_a_fixed_order() {
    let server = Server::start().await;
    let request = "PUT /x?y=%20#z HTTP/1.1\r\nHOST: h\r\nX-b:  2 \r\nx-A: 1\r\nX-b: 3\r\nContent-Length: 4\r\n\
                   Connection: close\r\n\r\n\"a\r\n";
    let response = server.exchange(request).await;
    assert_eq!(response.status, 200);
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.header("server"), Some("upstreams"));
    assert_eq!(response.header("x-upstream"), Some("a"));
    assert_eq!(response.header("connection"), Some("close"));
    assert!(response.header("date").unwrap().ends_with(" GMT"));
    let expected = r#"{
  "upstream": "a",
  "connection": 1,
  "request": 1,
  "method": "PUT",
  "target": "/x?y=%20#z",
  "version": "HTTP/1.1",
  "headers": [
    "HOST: h",
    "X-b: 2",
    "x-A: 1",
    "X-b: 3",
    "Content-Length: 4",
    "Connection: close"
  ],
  "body_bytes": 4,
  "body": "\"a\r\n"
}
"#;
    assert_eq!(
        response.text(),
        expected.replace("\"\\\"a\r\n\"", r#""\"a\r\n""#)
    );
}

#[tokio::test]
async fn connections_and_requests_are_counted_from_one() {
    let server = Server::start().await;
    let mut first = server.connect().await;
    for request in 1..=3 {
        first.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let json = first.response().await.json();
        assert_eq!(
            (json["connection"].as_u64(), json["request"].as_u64()),
            (Some(1), Some(request))
        );
    }
    let json = server.get("/").await.json();
    assert_eq!(
        (json["connection"].as_u64(), json["request"].as_u64()),
        (Some(2), Some(1))
    );
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = Server::start().await;
    let mut wire = server.connect().await;
    wire.send(
        "GET /delay/100 HTTP/1.1\r\nHost: x\r\n\r\n\
         POST /2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n\
         GET /3 HTTP/1.1\r\nHost: x\r\n\r\n",
    )
    .await;
    for (request, target, body) in [(1, "/delay/100", ""), (2, "/2", "abc"), (3, "/3", "")] {
        let json = wire.response().await.json();
        assert_eq!(json["request"], request);
        assert_eq!(json["target"], target);
        assert_eq!(json["body"], body);
    }
}

#[tokio::test]
async fn a_long_body_is_counted_and_its_start_shown() {
    let server = Server::start().await;
    for (length, truncated) in [(4096, None), (4097, Some(true)), (1_000_000, Some(true))] {
        let head = format!(
            "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        );
        let json = server.exchange(head + &"b".repeat(length)).await.json();
        assert_eq!(json["body_bytes"], length);
        assert_eq!(json["body"].as_str().unwrap(), "b".repeat(4096));
        assert_eq!(
            json.get("body_truncated").and_then(|value| value.as_bool()),
            truncated
        );
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_are_shown_lossy() {
    let server = Server::start().await;
    let json = server
        .exchange(b"POST / HTTP/1.1\r\nHost: x\r\nX: \xff\r\nConnection: close\r\nContent-Length: 2\r\n\r\n\xfe1")
        .await
        .json();
    assert_eq!(json["headers"][1], "X: \u{fffd}");
    assert_eq!(json["body"], "\u{fffd}1");
}

#[tokio::test]
async fn http_1_0_closes_unless_asked_to_stay() {
    let server = Server::start().await;
    let response = server.exchange("GET / HTTP/1.0\r\n\r\n").await;
    assert_eq!(response.json()["version"], "HTTP/1.0");
    assert_eq!(response.header("connection"), Some("close"));

    let mut wire = server.connect().await;
    wire.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        .await;
    assert_eq!(
        wire.response().await.header("connection"),
        Some("keep-alive")
    );
    wire.send("GET /2 HTTP/1.0\r\n\r\n").await;
    assert_eq!(wire.response().await.json()["request"], 2);
}

#[tokio::test]
async fn http_1_0_gets_no_chunks() {
    let server = Server::start().await;
    let response = server
        .exchange("GET /bytes/3?chunked HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        .await;
    assert_eq!(response.header("transfer-encoding"), None);
    assert_eq!(response.header("connection"), Some("close"));
    assert_eq!(response.text(), "012");
}

#[tokio::test]
async fn the_client_may_wait_for_continue() {
    let server = Server::start().await;
    let mut wire = server.connect().await;
    wire.send("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        .await;
    assert_eq!(
        wire.until("\r\n\r\n").await,
        "HTTP/1.1 100 Continue\r\n\r\n"
    );
    wire.send("hi").await;
    assert_eq!(wire.response().await.json()["body"], "hi");
}

#[tokio::test]
async fn a_half_closed_client_gets_its_answers() {
    let server = Server::start().await;
    let mut wire = server.connect().await;
    wire.send("GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /delay/50 HTTP/1.1\r\nHost: x\r\n\r\n")
        .await;
    wire.stream.shutdown().await.unwrap();
    assert_eq!(wire.response().await.json()["target"], "/1");
    assert_eq!(wire.response().await.json()["target"], "/delay/50");
    assert_eq!(wire.rest().await, b"");
}

#[tokio::test]
async fn absolute_targets_and_asterisk_are_answered() {
    let server = Server::start().await;
    assert_eq!(server.get("http://x/status/404").await.status, 404);
    assert_eq!(server.ask("OPTIONS", "*").await.json()["target"], "*");
}

#[tokio::test]
async fn connect_opens_no_tunnel() {
    let server = Server::start().await;
    assert_eq!(server.ask("CONNECT", "x:443").await.status, 501);
}
