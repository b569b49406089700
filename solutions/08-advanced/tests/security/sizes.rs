//! What is too much: of a header, and of a body.

use lab::{Certificates, Reply, Upstream, eventually, expect};

use crate::{demo, edge, https, wire};

fn request(fields: usize) -> String {
    let lines: String = (0..fields).map(|it| format!("X-{it}: b\r\n")).collect();
    format!("GET /a HTTP/1.1\r\nHost: one.test\r\n{lines}\r\n")
}

#[tokio::test]
async fn many_fields_are_refused_and_more_by_pingora() {
    let (certificates, upstream, proxy) = edge().await;
    for (fields, status, by_pingora) in [(99, 200, false), (100, 431, false), (256, 400, true)] {
        let mut client = wire(&proxy, &certificates).await;
        client.send(request(fields)).await;
        let answer = client.read_response().await;
        answer.expect_status(status);
        expect(
            answer.header("x-request-id").is_none() == by_pingora,
            format!("{fields} fields: answered by Pingora: {by_pingora}"),
        );
    }
    upstream.expect_requests(1);
}

#[tokio::test]
async fn a_long_header_is_refused_and_a_longer_one_by_pingora() {
    let (certificates, upstream, proxy) = edge().await;
    for (length, status) in [(30 << 10, 200), (33 << 10, 431), (1 << 20, 400)] {
        let mut client = wire(&proxy, &certificates).await;
        let value = "a".repeat(length);
        client
            .send(format!(
                "GET /a HTTP/1.1\r\nHost: one.test\r\nX-A: {value}\r\n\r\n"
            ))
            .await;
        client.read_response().await.expect_status(status);
    }
    upstream.expect_requests(1);
}

#[tokio::test]
async fn a_header_that_never_ends_is_not_kept() {
    let (certificates, upstream, proxy) = edge().await;
    let mut client = wire(&proxy, &certificates).await;
    client.send("GET /a HTTP/1.1\r\nHost: one.test\r\n").await;
    for _ in 0..20 {
        client
            .send(format!("X-A: {}\r\n", "a".repeat(60_000)))
            .await;
        if !client.is_open().await {
            break;
        }
    }
    eventually("the connection ends", async || !client.is_open().await).await;
    upstream.expect_no_request();
}

#[tokio::test]
async fn a_body_that_says_it_is_too_long_is_not_read() {
    let (certificates, upstream, proxy) = edge().await;
    let mut client = wire(&proxy, &certificates).await;
    client
        .send("POST /a HTTP/1.1\r\nHost: one.test\r\nContent-Length: 10485761\r\n\r\n")
        .await;
    client
        .read_response()
        .await
        .expect_status(413)
        .expect_header("connection", "close")
        .expect_json("/status", 413);
    upstream.expect_no_request();
}

/// The client was told the limit before it had sent anything, which is what `Expect` is for.
#[tokio::test]
async fn who_asks_before_sending_is_told() {
    let (certificates, upstream, proxy) = edge().await;
    let mut client = wire(&proxy, &certificates).await;
    client
        .send("POST /a HTTP/1.1\r\nHost: one.test\r\nExpect: 100-continue\r\nContent-Length: 10485761\r\n\r\n")
        .await;
    let answer = client.read_response().await;
    answer.expect_status(413);
    expect(answer.informational.is_empty(), "no 100 Continue");
    upstream.expect_no_request();
}

#[tokio::test]
async fn a_body_in_chunks_is_cut_at_the_limit() {
    let certificates = Certificates::new();
    let upstream = Upstream::always(Reply::text(200, "all of it")).await;
    let proxy = demo(&certificates)
        .env("BODY_LIMIT", 100_000)
        .in_front_of(&upstream)
        .await;
    let mut client = wire(&proxy, &certificates).await;
    client
        .send("POST /a HTTP/1.1\r\nHost: one.test\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    let chunk = format!("c350\r\n{}\r\n", "a".repeat(50_000));
    client.send(&chunk).await;
    client.send(&chunk).await;
    upstream.wait_for_requests(1).await;
    client.send("1\r\na\r\n").await;
    client.read_response().await.expect_status(413);
    eventually("the upstream sees that the request is cut", async || {
        upstream.open_connections() == 0
    })
    .await;
    let request = upstream.last_request();
    expect(!request.complete, "no whole request for the upstream");
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_passes() {
    let certificates = Certificates::new();
    let upstream = Upstream::echo().await;
    let proxy = demo(&certificates)
        .env("BODY_LIMIT", 100_000)
        .in_front_of(&upstream)
        .await;
    let target = https(&proxy, &certificates);
    let body = vec![b'a'; 100_000];
    target
        .post("/a")
        .body(body.clone())
        .send()
        .await
        .expect_status(200);
    target
        .post("/a")
        .chunked([body])
        .send()
        .await
        .expect_status(200);
    upstream.expect_requests(2);
}
