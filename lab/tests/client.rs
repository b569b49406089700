//! Clients send what they were asked to, and tell apart all ways in which an answer can come or fail to come.

mod support;

use lab::{Proxy, Reply, Upstream, eventually};
use std::time::Duration;
use support::relay;

const EXERCISE: &str = "2-9";

async fn in_front_of(upstream: &Upstream) -> Proxy {
    Proxy::at_path(relay(), EXERCISE)
        .in_front_of(upstream)
        .await
}

async fn playing(role: &str) -> Proxy {
    Proxy::at_path(relay(), EXERCISE)
        .env("RELAY", role)
        .alone()
        .await
}

#[tokio::test]
async fn sends_exactly_the_request() {
    let upstream = Upstream::always(Reply::status(200)).await;
    let proxy = in_front_of(&upstream).await;
    proxy
        .get("/a?b")
        .header("X-A", "1")
        .send()
        .await
        .expect_status(200);
    proxy
        .post("/")
        .header("host", "example")
        .send()
        .await
        .expect_status(200);
    proxy.post("/").body("abc").send().await.expect_status(200);
    proxy
        .request("PUT", "/")
        .chunked(["abc", "", "de"])
        .send()
        .await
        .expect_status(200);
    let host = proxy.address();
    let text = |connection| String::from_utf8(upstream.bytes(connection)).unwrap();
    assert_eq!(
        text(0),
        format!("GET /a?b HTTP/1.1\r\nHost: {host}\r\nX-A: 1\r\n\r\n")
    );
    assert_eq!(
        text(1),
        "POST / HTTP/1.1\r\nContent-Length: 0\r\nhost: example\r\n\r\n"
    );
    assert_eq!(
        text(2),
        format!("POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 3\r\n\r\nabc")
    );
    assert_eq!(
        text(3),
        format!(
            "PUT / HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        )
    );
    // The connection that showed that the program listens counted nowhere.
    assert_eq!(upstream.connections(), 4);
}

#[tokio::test]
async fn reads_an_answer_in_every_framing() {
    let upstream = Upstream::script([
        Reply::text(200, "hello")
            .header("X-Name", "a")
            .header("x-name", "b"),
        Reply::text(201, "hello")
            .trailer("X-Sum", "5")
            .drip(Duration::from_millis(1)),
        Reply::raw("HTTP/1.1 200 OK\r\n\r\nup to the end").then_close(),
        Reply::text(200, "unseen"),
        Reply::raw("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"),
        Reply::json(200, r#"{"error": {"code": 7}}"#),
    ])
    .await;
    let proxy = in_front_of(&upstream).await;
    let answer = proxy.get("/").send().await;
    answer
        .expect_status(200)
        .expect_body("hello")
        .expect_body_contains("ell")
        .expect_body_lacks("x")
        .expect_list("x-name", ["a", "b"])
        .expect_no_header("via")
        .expect_header("Content-Length", "5");
    assert_eq!(answer.headers[2], ("x-name".to_owned(), "a".to_owned()));
    let answer = proxy.get("/").send().await;
    answer.expect_status(201).expect_body("hello");
    assert_eq!(answer.trailers, [("x-sum".to_owned(), "5".to_owned())]);
    proxy.get("/").send().await.expect_body("up to the end");
    proxy
        .head("/")
        .send()
        .await
        .expect_header("content-length", "6")
        .expect_body("");
    proxy
        .get("/")
        .send()
        .await
        .expect_status(304)
        .expect_body("");
    proxy.get("/").send().await.expect_json("/error/code", 7);
}

#[tokio::test]
async fn keeps_a_connection() {
    let upstream =
        Upstream::script([Reply::text(200, "a"), Reply::text(200, "b").then_close()]).await;
    let proxy = in_front_of(&upstream).await;
    let client = proxy.client().await;
    client.get("/").send().await.expect_body("a");
    client.expect_open().await;
    client.post("/").body("x").send().await.expect_body("b");
    eventually("the connection is closed", async || !client.is_open().await).await;
    assert_eq!(client.get("/").send().await.status, 0);
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn streams_piece_by_piece() {
    let upstream = Upstream::always(Reply::pieces(["one", "two"])).await;
    let proxy = in_front_of(&upstream).await;
    let mut answer = proxy.get("/").start().await;
    answer.head().expect_status(200);
    assert_eq!(answer.next_piece().await.unwrap(), "one");
    upstream.release();
    assert_eq!(answer.next_piece().await.unwrap(), "two");
    assert_eq!(answer.next_piece().await, None);
    answer.finish().await.expect_body("onetwo");
}

#[tokio::test]
async fn takes_pieces_as_they_are_wanted() {
    let upstream = Upstream::always(Reply::pieces(["one", "two"])).await;
    let proxy = in_front_of(&upstream).await;
    let mut answer = proxy.get("/").start().await;
    answer.expect_status(200);
    answer.expect_piece("o").await.expect_status(200);
    answer.expect_piece("ne").await;
    upstream.release();
    answer.expect_piece("two").await;
    answer.finish().await.expect_body("onetwo");
}

#[tokio::test]
async fn reads_an_answer_that_comes_before_the_request_is_sent() {
    let proxy = playing("hasty").await;
    let answer = proxy.post("/").body(vec![0; 50_000_000]).send().await;
    answer.expect_status(418);
}

#[tokio::test]
async fn leaves_when_dropped() {
    let upstream = Upstream::silent().await;
    let proxy = in_front_of(&upstream).await;
    let request = tokio::spawn(proxy.get("/").send());
    upstream.wait_for_requests(1).await;
    request.abort();
    eventually("the upstream sees the end", async || {
        upstream.open_connections() == 0
    })
    .await;
}

#[tokio::test]
async fn tells_informational_answers_from_the_final_one() {
    let proxy = playing("early").await;
    let answer = proxy.get("/").send().await;
    answer.expect_status(204).expect_body("");
    assert_eq!(answer.informational, [103]);
}

#[tokio::test]
async fn takes_what_is_no_answer_as_an_outcome() {
    for role in ["close", "garbage"] {
        let answer = playing(role).await.get("/").send().await;
        assert_eq!((answer.status, answer.complete), (0, false), "{role}");
    }
    let answer = playing("cut").await.get("/").must_be_answered().await;
    answer.expect_status(200).expect_cut_short();
    assert_eq!((answer.complete, answer.text()), (false, "abc".to_owned()));
    let nobody = playing("").await;
    assert_eq!(nobody.port("ADMIN").get("/").send().await.status, 0);
}

#[tokio::test]
async fn works_byte_by_byte() {
    let upstream = Upstream::script([
        Reply::text(200, "unseen"),
        Reply::text(200, "seen"),
        Reply::raw("raw").then_close(),
    ])
    .await;
    let proxy = in_front_of(&upstream).await;
    let mut wire = proxy.connect().await;
    wire.send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n")
        .await;
    wire.send(b"Host: x\r\n\r\n").await;
    wire.read_response()
        .await
        .expect_status(200)
        .expect_body("");
    wire.read_response().await.expect_body("seen");
    assert!(wire.is_open().await);
    wire.send("GET / HTTP/1.1\r\n\r\n").await;
    wire.expect_echo("ra").await;
    assert_eq!(wire.read_some().await, "w");
    assert_eq!(wire.read_to_end().await, b"");
    assert!(!wire.is_open().await);
}

#[tokio::test]
async fn closes_one_direction() {
    let upstream = Upstream::silent().await;
    let proxy = in_front_of(&upstream).await;
    let mut wire = proxy.connect().await;
    wire.send("POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc")
        .await;
    wire.finish().await;
    upstream.wait_for_requests(1).await;
    upstream.wait_for_request_to_end().await;
    assert!(!upstream.last_request().complete);
    assert_eq!(wire.read_to_end().await, b"");
}
