//! 3.4 A body above the limit gets 413, and no upstream takes a part of it for the whole.

use lab::{Proxy, Reply, Upstream, Wire, eventually, expect, soon};

const EXERCISE: &str = "3-4";

const LIMIT: usize = 1000;

const DECLARED: &str =
    "request_filter runs before an upstream is chosen: Content-Length says there what will come";
const ENDED: &str = "a body set to None ends the upload in good order; an error from request_body_filter breaks it off";
const ANEW: &str = "each try sends the body again through request_body_filter, with the same CTX";
const ADDED_UP: &str = "CTX lives as long as the request, and a body comes in pieces: add them up";

async fn start(upstream: &Upstream) -> Proxy {
    Proxy::of(EXERCISE)
        .env("MAX_BODY_BYTES", LIMIT)
        .in_front_of(upstream)
        .await
}

/// A chunked upload that is above the limit after its second chunk, and whose end is never sent.
async fn upload_too_much(proxy: &Proxy) -> Wire {
    let mut wire = proxy.connect().await;
    wire.send("PUT /file HTTP/1.1\r\nHost: edge.example\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    // 0x1f4 is 500: the limit in two chunks, and one byte more.
    wire.send(format!("1f4\r\n{}\r\n", "a".repeat(500))).await;
    wire.send(format!("1f4\r\n{}\r\n1\r\n!\r\n", "b".repeat(500)))
        .await;
    wire
}

#[tokio::test]
async fn a_declared_length_above_the_limit_is_413() {
    let upstream = Upstream::echo().await;
    let proxy = start(&upstream).await;

    for length in [LIMIT + 1, 64 * LIMIT] {
        proxy
            .post("/file")
            .body(vec![b'x'; length])
            .must_be_answered()
            .await
            .expect_status(413)
            .usually(DECLARED);
    }
}

#[tokio::test]
async fn nobody_is_asked_when_the_declared_length_is_above_the_limit() {
    let upstream = Upstream::echo().await;
    let proxy = start(&upstream).await;

    proxy
        .post("/file")
        .body(vec![b'x'; LIMIT + 1])
        .must_be_answered()
        .await;

    upstream.expect_no_request().usually(DECLARED);
    expect(
        upstream.connections() == 0,
        "no connection to the upstream either",
    );
}

#[tokio::test]
async fn a_declared_length_is_refused_before_the_body_is_sent() {
    let upstream = Upstream::echo().await;
    let proxy = start(&upstream).await;

    // Such a client waits for `100 Continue` before it sends anything (RFC 9110, section 10.1.1).
    let mut wire = proxy.connect().await;
    wire.send("POST /file HTTP/1.1\r\nHost: edge.example\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n")
        .await;

    let first = wire.read_some().await;
    expect(
        first.starts_with(b"HTTP/1.1 413"),
        "413 as the first answer: no 100 Continue before it",
    )
    .usually(DECLARED);
}

#[tokio::test]
async fn the_connection_of_a_refused_upload_is_closed() {
    let upstream = Upstream::echo().await;
    let proxy = start(&upstream).await;

    let mut wire = proxy.connect().await;
    wire.send("POST /file HTTP/1.1\r\nHost: edge.example\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n")
        .await;
    let first = String::from_utf8_lossy(&wire.read_some().await).to_ascii_lowercase();

    expect(
        first.starts_with("http/1.1 413") && first.contains("connection: close"),
        "413 with Connection: close",
    )
    .usually("if the connection stays open, the proxy must read all that was refused");
    soon("the connection is closed", async || !wire.is_open().await).await;
}

#[tokio::test]
async fn a_chunked_upload_is_cut_at_the_limit() {
    let upstream = Upstream::echo().await;
    let proxy = start(&upstream).await;

    let mut wire = upload_too_much(&proxy).await;

    wire.must_be_answered()
        .await
        .expect_status(413)
        .usually(ADDED_UP);
    soon("the connection is closed", async || !wire.is_open().await).await;
}

#[tokio::test]
async fn one_byte_above_the_limit_is_too_much() {
    let upstream = Upstream::echo().await;
    let proxy = start(&upstream).await;

    proxy
        .post("/file")
        .chunked(vec![vec![b'x'; 1]; LIMIT + 1])
        .must_be_answered()
        .await
        .expect_status(413)
        .usually(ADDED_UP);

    proxy
        .post("/file")
        .chunked([vec![b'x'; LIMIT + 1]])
        .must_be_answered()
        .await
        .expect_status(413);
}

#[tokio::test]
async fn the_upstream_never_takes_a_part_for_the_whole() {
    let upstream = Upstream::echo().await;
    let proxy = start(&upstream).await;

    let mut wire = upload_too_much(&proxy).await;
    wire.must_be_answered().await;

    upstream.wait_for_request_to_end().await;
    let request = upstream.last_request();
    expect(
        !request.complete,
        "a request that is not complete, at the upstream",
    )
    .usually(ENDED);
    expect(
        request.body.len() <= LIMIT,
        "no more than the limit, at the upstream",
    );
}

#[tokio::test]
async fn the_next_request_gets_another_connection_to_the_upstream() {
    let upstream = Upstream::echo().await;
    let proxy = start(&upstream).await;

    let mut wire = upload_too_much(&proxy).await;
    wire.must_be_answered().await;
    proxy.get("/").send().await.expect_status(200);

    let connection = upstream.last_request().connection;
    expect(
        connection == 1,
        format!(
            "the second connection, but it was number {}",
            connection + 1
        ),
    )
    .usually(ENDED);
}

#[tokio::test]
async fn another_try_counts_from_its_start() {
    // A reused connection that closes without an answer: Pingora tries an idempotent request again.
    let upstream = Upstream::script([
        Reply::text(200, "first"),
        Reply::close(),
        Reply::text(200, "taken"),
    ])
    .await;
    let proxy = start(&upstream).await;
    // The proxy reads its second request when the first one's connection to the upstream is back in the pool.
    let client = proxy.client().await;
    client.get("/").send().await.expect_status(200);

    let body = "x".repeat(LIMIT * 3 / 5);
    let answer = client
        .request("PUT", "/file")
        .chunked([body.as_str()])
        .send()
        .await;

    upstream.last_request().expect_body(&body).usually(ANEW);
    answer.expect_body("taken").usually(ANEW);
    upstream.expect_requests(3);
}

#[tokio::test]
async fn an_answer_that_has_begun_is_cut_instead() {
    let early = Reply::pieces(["first", "last"]).early();
    let upstream = Upstream::script([Reply::text(200, "whole"), early]).await;
    let proxy = start(&upstream).await;
    let mut wire = upload_too_much(&proxy).await;
    wire.must_be_answered().await.expect_status(413);

    let mut wire = proxy.connect().await;
    wire.send("PUT /file HTTP/1.1\r\nHost: edge.example\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    let mut begun = Vec::new();
    while !begun.ends_with(b"first\r\n") {
        begun.extend_from_slice(&wire.read_some().await);
    }
    wire.send(format!("3e9\r\n{}\r\n", "x".repeat(LIMIT + 1)))
        .await;

    eventually("the connection to the client is closed", async || {
        !wire.is_open().await
    })
    .usually("the status is gone already: only the closed connection can tell")
    .await;
    let rest = wire.read_to_end().await;
    expect(
        rest.is_empty(),
        "nothing more of the answer, and no second one",
    );
}

mod given {
    use super::*;

    #[tokio::test]
    async fn exactly_the_limit_passes() {
        let upstream = Upstream::echo().await;
        let proxy = start(&upstream).await;
        let body = vec![b'x'; LIMIT];

        proxy
            .post("/file")
            .body(body.clone())
            .send()
            .await
            .expect_status(200);
        upstream.last_request().expect_body(&body);

        proxy
            .post("/file")
            .chunked([&body[..LIMIT / 2], &body[LIMIT / 2..]])
            .send()
            .await
            .expect_status(200);
        upstream.last_request().expect_body(&body);
    }

    #[tokio::test]
    async fn each_request_has_the_whole_limit() {
        let upstream = Upstream::echo().await;
        let proxy = start(&upstream).await;
        let client = proxy.client().await;

        for _ in 0..3 {
            client
                .post("/file")
                .chunked(["x".repeat(LIMIT * 3 / 5)])
                .send()
                .await
                .expect_status(200);
        }
    }

    #[tokio::test]
    async fn an_upload_within_the_limit_is_continued() {
        let upstream = Upstream::echo().await;
        let proxy = start(&upstream).await;

        let mut wire = proxy.connect().await;
        wire.send("POST /file HTTP/1.1\r\nHost: edge.example\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
            .await;
        expect(
            wire.read_some().await.starts_with(b"HTTP/1.1 100"),
            "100 Continue, from the upstream",
        );
        wire.send("hello").await;
        upstream.wait_for_request_to_end().await;
        upstream.last_request().expect_body("hello");
    }

    #[tokio::test]
    async fn a_limit_that_is_no_number_is_refused() {
        let ended = Proxy::of(EXERCISE)
            .env("MAX_BODY_BYTES", "1M")
            .run_to_end()
            .await;

        ended.expect_code(2);
        ended.expect_stderr_contains("MAX_BODY_BYTES");
    }
}
