//! Upstreams answer exactly as they were told to, and remember exactly what came.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use lab::{Reply, Upstream, eventually, patience};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const GET: &str = "GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n";
const LAST_GET: &str = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address)
        .await
        .expect("the upstream listens")
}

async fn send(address: SocketAddr, request: &str) -> TcpStream {
    let mut stream = connect(address).await;
    stream
        .write_all(request.as_bytes())
        .await
        .expect("it is read");
    stream
}

/// All that comes back up to the end of the connection.
async fn to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    timeout(patience(), stream.read_to_end(&mut answer))
        .await
        .expect("the upstream ends the connection")
        .expect("with FIN");
    String::from_utf8(answer).expect("text")
}

/// Exactly these bytes come next.
async fn comes(stream: &mut TcpStream, wanted: &str) {
    let mut got = vec![0; wanted.len()];
    timeout(patience(), stream.read_exact(&mut got))
        .await
        .unwrap_or_else(|_| panic!("no {wanted:?}"))
        .unwrap_or_else(|error| panic!("instead of {wanted:?}: {error}"));
    assert_eq!(String::from_utf8_lossy(&got), wanted);
}

/// Nothing can be read now. This is a race that only a wrong answer can lose.
async fn nothing_comes(stream: &mut TcpStream) {
    let mut byte = [0];
    let read = timeout(Duration::from_millis(50), stream.read(&mut byte)).await;
    assert!(read.is_err(), "{read:?}");
}

async fn answer_of(reply: Reply) -> String {
    let upstream = Upstream::always(reply).await;
    to_end(&mut send(upstream.address(), LAST_GET).await).await
}

#[tokio::test]
async fn tells_a_reply_where_it_is_given() {
    let at = |address: SocketAddr| {
        Reply::status(302).header("Location", format!("http://{address}/next"))
    };
    let upstream = Upstream::always_at(at).await;
    let address = upstream.address();
    let answer = to_end(&mut send(address, LAST_GET).await).await;
    assert!(
        answer.contains(&format!("Location: http://{address}/next\r\n")),
        "{answer}"
    );
}

#[tokio::test]
async fn frames_an_answer_by_its_length() {
    assert_eq!(
        answer_of(
            Reply::text(200, "hello")
                .header("x-a", "1")
                .header("X-A", "2")
        )
        .await,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nConnection: close\r\n\
         x-a: 1\r\nX-A: 2\r\n\r\nhello"
    );
    assert_eq!(
        answer_of(Reply::json(500, r#"{"a":1}"#).header("Content-Type", "a/b")).await,
        "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 7\r\nConnection: close\r\n\
         Content-Type: a/b\r\n\r\n{\"a\":1}"
    );
}

#[tokio::test]
async fn sends_no_body_where_none_is_allowed() {
    assert_eq!(
        answer_of(Reply::status(503)).await,
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(
        answer_of(Reply::status(204)).await,
        "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
    );
    let upstream = Upstream::always(Reply::text(200, "hello")).await;
    let head = LAST_GET.replace("GET", "HEAD");
    let answer = to_end(&mut send(upstream.address(), &head).await).await;
    assert!(answer.ends_with("Content-Length: 5\r\nConnection: close\r\n\r\n"));
}

#[tokio::test]
async fn frames_an_answer_in_chunks() {
    assert_eq!(
        answer_of(Reply::text(200, "hello").chunked().trailer("x-sum", "5")).await,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\
         Connection: close\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 5\r\n\r\n"
    );
}

#[tokio::test]
async fn drips_bytes_one_by_one() {
    let reply = Reply::text(200, "abc")
        .drip(Duration::from_millis(1))
        .chunked();
    let answer = answer_of(reply).await;
    assert!(answer.ends_with("\r\n\r\n1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n"));
}

#[tokio::test]
async fn opens_a_gate_for_each_piece() {
    let upstream = Upstream::always(Reply::pieces(["one", "two"])).await;
    let mut stream = send(upstream.address(), GET).await;
    comes(
        &mut stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n",
    )
    .await;
    nothing_comes(&mut stream).await;
    upstream.release();
    comes(&mut stream, "3\r\ntwo\r\n0\r\n\r\n").await;
}

#[tokio::test]
async fn opens_a_gate_before_the_status_line() {
    let upstream = Upstream::always(Reply::status(200).gate()).await;
    let mut stream = send(upstream.address(), GET).await;
    upstream.wait_for_request_to_end().await;
    nothing_comes(&mut stream).await;
    upstream.release();
    comes(&mut stream, "HTTP/1.1 200 OK\r\n").await;
}

#[tokio::test]
async fn answers_before_the_body_is_there() {
    let upstream = Upstream::always(Reply::text(200, "soon").early()).await;

    let mut stream = send(
        upstream.address(),
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n",
    )
    .await;
    comes(&mut stream, "HTTP/1.1 200 OK").await;
    assert!(!upstream.last_request().complete);

    stream.write_all(b"late").await.expect("it is read");
    upstream.wait_for_request_to_end().await;
    assert_eq!(upstream.last_request().body, b"late");
}

#[tokio::test]
async fn follows_a_script_and_repeats_its_end() {
    let replies = [Reply::status(503), Reply::raw("x"), Reply::raw("y")];
    let upstream = Upstream::script(replies).await;
    let mut stream = connect(upstream.address()).await;
    for answer in [
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
        "x",
        "y",
        "y",
    ] {
        stream.write_all(GET.as_bytes()).await.unwrap();
        comes(&mut stream, answer).await;
    }
    assert_eq!(upstream.connections(), 1);
    let numbers: Vec<usize> = upstream.requests().iter().map(|it| it.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
}

#[tokio::test]
async fn ends_connections_early_in_every_way() {
    assert_eq!(answer_of(Reply::close()).await, "");
    let cut = answer_of(Reply::truncated(10, "abc")).await;
    assert!(cut.contains("Content-Length: 10\r\n") && cut.ends_with("\r\n\r\nabc"));

    let upstream = Upstream::always(Reply::reset()).await;
    let mut stream = send(upstream.address(), GET).await;
    let error = stream.read(&mut [0]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);

    // A FIN, also when the body was not read by then.
    let upstream = Upstream::always(Reply::raw("x").then_close()).await;
    let mut stream = send(upstream.address(), GET).await;
    assert_eq!(to_end(&mut stream).await, "x");
}

#[tokio::test]
async fn answers_with_what_is_not_http() {
    let upstream = Upstream::always(Reply::garbage()).await;
    let mut stream = send(upstream.address(), GET).await;
    let mut first = [0; 3];
    stream.read_exact(&mut first).await.unwrap();
    assert_ne!(&first, b"HTT");
}

#[tokio::test]
async fn stays_silent() {
    let upstream = Upstream::silent().await;
    let mut stream = send(upstream.address(), GET).await;
    upstream.wait_for_request_to_end().await;
    assert!(upstream.last_request().complete);
    nothing_comes(&mut stream).await;
    assert_eq!(upstream.open_connections(), 1);
    drop(stream);
    eventually("the upstream sees the end", async || {
        upstream.open_connections() == 0
    })
    .await;
}

#[tokio::test]
async fn stops_reading_after_the_head() {
    let upstream = Upstream::always(Reply::stop_reading()).await;
    let head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n";
    let mut stream = send(upstream.address(), head).await;
    upstream.wait_for_requests(1).await;
    let piece = vec![0; 64 * 1024];
    let flood = async { while stream.write_all(&piece).await.is_ok() {} };
    let stuck = timeout(Duration::from_secs(1), flood).await;
    assert!(stuck.is_err(), "the connection ended");
    let request = upstream.last_request();
    assert!(!request.complete && request.body.is_empty());
    assert!(upstream.bytes(0).len() < 100_000);
}

#[tokio::test]
async fn records_every_byte() {
    let upstream = Upstream::always(Reply::status(200)).await;
    let first = "POST /p HTTP/1.1\r\nhost: x\r\nX-Two: a\r\nx-two: b\r\nTransfer-Encoding: chunked\r\n\r\n\
                 3\r\nabc\r\n2\r\nde\r\n0\r\nx-sum: 5\r\n\r\n";
    let mut stream = send(upstream.address(), first).await;
    comes(&mut stream, "HTTP/1.1 200 OK\r\n").await;
    let request = upstream.last_request();
    request
        .expect_method("POST")
        .expect_target("/p")
        .expect_body("abcde")
        .expect_header("HOST", "x")
        .expect_list("x-two", ["a", "b"])
        .expect_no_header("via")
        .expect_header_where("x-two", "both values", |value| value == "a, b");
    assert_eq!(request.header_all("x-two"), ["a", "b"]);
    assert_eq!(request.headers[1].0, "X-Two");
    assert_eq!(request.trailers, [("x-sum".to_owned(), "5".to_owned())]);
    assert_eq!(upstream.bytes(0), first.as_bytes());

    let mut other = send(upstream.address(), "GE").await;
    eventually("the start of a request", async || {
        upstream.bytes(1) == b"GE"
    })
    .await;
    assert_eq!(upstream.requests().len(), 1);
    other
        .write_all(b"T / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabc")
        .await
        .unwrap();
    upstream.wait_for_requests(2).await;
    drop(other);
    upstream.wait_for_request_to_end().await;
    let request = upstream.last_request();
    assert!(!request.complete);
    assert_eq!((request.connection, request.number), (1, 1));
    assert_eq!(request.body, b"abc");
}

#[tokio::test]
async fn lets_a_client_continue() {
    let upstream = Upstream::always(Reply::status(200)).await;
    let head = "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n";
    let mut stream = send(upstream.address(), head).await;
    comes(&mut stream, "HTTP/1.1 100 Continue\r\n\r\n").await;
    stream.write_all(b"x").await.unwrap();
    comes(&mut stream, "HTTP/1.1 200 OK\r\n").await;
}

#[tokio::test]
async fn echoes_as_the_echo_server_does() {
    let upstream = Upstream::echo().await;
    let request = "POST /p HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi";
    let answer = to_end(&mut send(upstream.address(), request).await).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("Content-Type: application/json\r\n"));
    assert!(body.ends_with("}\n"));
    let json: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(json["upstream"], upstream.address().to_string());
    assert_eq!(
        (&json["connection"], &json["request"]),
        (&1.into(), &1.into())
    );
    assert_eq!(
        (&json["method"], &json["target"]),
        (&"POST".into(), &"/p".into())
    );
    assert_eq!(json["headers"][0], "Host: x");
    assert_eq!(
        (&json["body_bytes"], &json["body"]),
        (&2.into(), &"hi".into())
    );
}

#[tokio::test]
async fn refuses_and_accepts_again_on_the_same_port() {
    let upstream = Upstream::always(Reply::raw("x")).await;
    let mut stream = send(upstream.address(), GET).await;
    comes(&mut stream, "x").await;

    upstream.refuse().await;
    let error = stream.read(&mut [0]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let error = TcpStream::connect(upstream.address()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);

    upstream.accept().await;
    comes(&mut send(upstream.address(), GET).await, "x").await;
    upstream.expect_requests(2);
}

/// A process that is being started has a copy of every socket, until it becomes the other program.
#[tokio::test]
async fn refuses_and_accepts_while_other_programs_start() {
    let upstream = Upstream::always(Reply::raw("x")).await;
    let programs = std::thread::spawn(|| {
        for _ in 0..100 {
            _ = std::process::Command::new("true").status();
        }
    });

    while !programs.is_finished() {
        upstream.refuse().await;
        upstream.accept().await;
    }

    comes(&mut send(upstream.address(), GET).await, "x").await;
}

#[tokio::test]
async fn refuses_from_the_start() {
    let upstream = Upstream::refusing().await;
    let error = TcpStream::connect(upstream.address()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    let taken = std::net::TcpListener::bind(upstream.address());
    assert_eq!(taken.unwrap_err().kind(), ErrorKind::AddrInUse);
    upstream.accept().await;
    connect(upstream.address()).await;
}

#[tokio::test]
async fn lets_a_connect_hang() {
    let upstream = Upstream::unreachable().await;
    let connect = TcpStream::connect(upstream.address());
    let hangs = timeout(Duration::from_millis(500), connect).await;
    assert!(hangs.is_err(), "{hangs:?}");
    upstream.expect_no_request();
}

#[tokio::test]
async fn ends_when_dropped() {
    let upstream = Upstream::silent().await;
    let mut stream = send(upstream.address(), GET).await;
    upstream.wait_for_requests(1).await;
    let address = upstream.address();
    drop(upstream);
    let read = timeout(patience(), stream.read(&mut [0])).await;
    assert_eq!(
        read.unwrap().unwrap_err().kind(),
        ErrorKind::ConnectionReset
    );
    eventually("the port is closed", async || {
        TcpStream::connect(address).await.is_err()
    })
    .await;
}
