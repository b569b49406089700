//! Where a request ends, and whom it is for: the upstream sees one request, or none, and never the rest of one as
//! another.

use lab::{expect, soon};

use crate::{edge, https, wire};

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

/// Sends it as it is, and expects the status, how many requests the upstream saw, and who answered: Pingora gives no
/// request id. Then another client's request has to get its own answer, over the same upstream connection if there is
/// one: what one request had left there would come out now.
async fn sent(cases: &[(&str, &str, u16, usize, Answered)]) {
    let (certificates, upstream, proxy) = edge().await;
    for (name, request, status, seen, by) in cases {
        let before = upstream.requests().len();
        let mut client = wire(&proxy, &certificates).await;
        client.send(request).await;
        let answer = client.read_response().await;
        answer
            .expect_status(*status)
            .usually(&format!("sent was: {name}"));
        let by_pingora = answer.header("x-request-id").is_none();
        expect(
            by_pingora == matches!(by, Answered::ByPingora),
            format!("{name}: answered by Pingora: {by_pingora}"),
        );
        let reached = upstream.requests().len() - before;
        expect(
            reached == *seen,
            format!("{name}: {seen} requests for the upstream, not {reached}"),
        );
        if *status >= 400 {
            soon("the connection ends with the refusal", async || {
                !client.is_open().await
            })
            .await;
        }
        let next = https(&proxy, &certificates).get("/next").send().await;
        next.expect_status(200).expect_json("/target", "/next");
    }
}

#[derive(Clone, Copy)]
enum Answered {
    /// Before any phase ran: no log line, no request id.
    ByPingora,
    ByTheDemo,
}
use Answered::{ByPingora, ByTheDemo};

#[tokio::test]
async fn two_lengths_are_refused() {
    let request = |lines: &str| format!("POST /a HTTP/1.1\r\nHost: one.test\r\n{lines}\r\nabc");
    sent(&[
        (
            "two that differ",
            &request("Content-Length: 3\r\nContent-Length: 4\r\n"),
            400,
            0,
            ByPingora,
        ),
        (
            "a list that differs",
            &request("Content-Length: 3, 4\r\n"),
            400,
            0,
            ByPingora,
        ),
        (
            "two that agree",
            &request("Content-Length: 3\r\nContent-Length: 3\r\n"),
            400,
            0,
            ByTheDemo,
        ),
        (
            "a list that agrees",
            &request("Content-Length: 3, 3\r\n"),
            400,
            0,
            ByTheDemo,
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_length_is_digits() {
    let request = |length: &str| {
        format!("POST /a HTTP/1.1\r\nHost: one.test\r\nContent-Length: {length}\r\n\r\nabc")
    };
    sent(&[
        ("plus", &request("+3"), 400, 0, ByPingora),
        ("minus", &request("-3"), 400, 0, ByPingora),
        ("hexadecimal", &request("0x3"), 400, 0, ByPingora),
        (
            "more than 64 bits",
            &request("18446744073709551619"),
            400,
            0,
            ByPingora,
        ),
        ("nothing", &request(""), 400, 0, ByPingora),
    ])
    .await;
}

#[tokio::test]
async fn a_length_beside_chunks_does_not_count_and_ends_the_connection() {
    let (certificates, upstream, proxy) = edge().await;
    let mut client = wire(&proxy, &certificates).await;
    // By its length the body would end after six bytes, and with the chunks it ends before `GET`: either way that is a
    // second request, which must not be executed on this connection any more (RFC 9112, section 6.1).
    client
        .send(
            "POST /a HTTP/1.1\r\nHost: one.test\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n\
             0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: one.test\r\n\r\n",
        )
        .await;
    let answer = client.read_response().await;
    answer
        .expect_status(200)
        .expect_header("connection", "close")
        .expect_json("/body_bytes", 0);
    client.read_to_end().await;
    upstream.expect_requests(1);
    let request = upstream.last_request();
    request
        .expect_target("/a")
        .expect_no_header("content-length")
        .expect_header("transfer-encoding", "chunked");
}

#[tokio::test]
async fn the_only_transfer_coding_is_chunked_and_once() {
    let body = "3\r\nabc\r\n0\r\n\r\n";
    let request = |coding: &str| {
        format!("POST /a HTTP/1.1\r\nHost: one.test\r\nTransfer-Encoding: {coding}\r\n\r\n{body}")
    };
    let twice = format!("POST /a HTTP/1.1\r\nHost: one.test\r\n{CHUNKED}{CHUNKED}\r\n{body}");
    let spaced =
        format!("POST /a HTTP/1.1\r\nHost: one.test\r\nTransfer-Encoding : chunked\r\n\r\n{body}");
    let old = format!("POST /a HTTP/1.0\r\nHost: one.test\r\n{CHUNKED}\r\n{body}");
    sent(&[
        ("chunked", &request("chunked"), 200, 1, ByTheDemo),
        ("in capitals", &request("CHUNKED"), 200, 1, ByTheDemo),
        ("identity", &request("identity"), 400, 0, ByPingora),
        (
            "chunked, then identity",
            &request("chunked, identity"),
            400,
            0,
            ByPingora,
        ),
        (
            "a name that ends alike",
            &request("xchunked"),
            400,
            0,
            ByPingora,
        ),
        (
            "a control before it",
            &request("\x0bchunked"),
            400,
            0,
            ByPingora,
        ),
        ("a space before the colon", &spaced, 400, 0, ByPingora),
        ("with HTTP/1.0", &old, 400, 0, ByPingora),
        (
            "chunked twice in a line",
            &request("chunked, chunked"),
            400,
            0,
            ByTheDemo,
        ),
        ("chunked in two lines", &twice, 400, 0, ByTheDemo),
        (
            "another one before it",
            &request("gzip, chunked"),
            501,
            0,
            ByTheDemo,
        ),
    ])
    .await;
}

/// The header of such a request is on its way by then: the upstream sees one request without an end, and its connection
/// is given up.
#[tokio::test]
async fn chunks_that_are_none_end_the_request() {
    for (name, body) in [
        ("a sign", "+3\r\nabc\r\n0\r\n\r\n"),
        ("a prefix", "0x3\r\nabc\r\n0\r\n\r\n"),
        ("more than 64 bits", "10000000000000003\r\nabc\r\n0\r\n\r\n"),
        ("less than nothing", "-1\r\nabc\r\n0\r\n\r\n"),
        ("a line that ends with LF", "3\nabc\n0\n\n"),
        ("more data than it says", "3\r\nabcde\r\n0\r\n\r\n"),
    ] {
        let (certificates, upstream, proxy) = edge().await;
        let mut client = wire(&proxy, &certificates).await;
        client
            .send(format!(
                "POST /a HTTP/1.1\r\nHost: one.test\r\n{CHUNKED}\r\n{body}"
            ))
            .await;
        let answer = client.read_response().await;
        answer
            .expect_status(400)
            .usually(&format!("the chunk has {name}"));
        let requests = upstream.requests();
        expect(
            requests.iter().all(|it| !it.complete) && requests.len() <= 1,
            format!("{name}: no whole request for the upstream"),
        );
        let next = https(&proxy, &certificates).get("/next").send().await;
        next.expect_status(200).expect_json("/target", "/next");
    }
}

#[tokio::test]
async fn extensions_and_trailers_of_chunks_are_not_passed_on() {
    let (certificates, upstream, proxy) = edge().await;
    let mut client = wire(&proxy, &certificates).await;
    client
        .send(format!(
            "POST /a HTTP/1.1\r\nHost: one.test\r\n{CHUNKED}\r\n3;a=\"b\"\r\nabc\r\n0\r\nHost: evil.test\r\n\r\n"
        ))
        .await;
    client.read_response().await.expect_status(200);
    upstream.expect_requests(1);
    let request = upstream.last_request();
    request.expect_body("abc").expect_header("host", "one.test");
    expect(request.trailers.is_empty(), "no trailers");
    let bytes = upstream.bytes(0);
    let text = String::from_utf8_lossy(&bytes);
    expect(!text.contains("a=\"b\""), "no extension of a chunk");
}

/// To one reader the extension ends at the LF, and to another it goes on to the CRLF. Here it goes on. The upstream gets
/// no extension at all, so it cannot read another way.
#[tokio::test]
async fn a_line_feed_in_an_extension_is_not_passed_on() {
    let (certificates, upstream, proxy) = edge().await;
    let mut client = wire(&proxy, &certificates).await;
    client
        .send(format!(
            "POST /a HTTP/1.1\r\nHost: one.test\r\n{CHUNKED}\r\n2;\nxx\r\n4b\r\n0\r\n\r\n"
        ))
        .await;
    client.read_response().await.expect_status(200);
    upstream.expect_requests(1);
    upstream.last_request().expect_body("4b");
    let bytes = upstream.bytes(0);
    expect(bytes.ends_with(b"2\r\n4b\r\n0\r\n\r\n"), "chunks made anew");
}

/// Pingora takes a size of no digits for zero, so the body ends there. What follows is not executed.
#[tokio::test]
async fn a_chunk_without_a_size_is_the_last() {
    let (certificates, upstream, proxy) = edge().await;
    let mut client = wire(&proxy, &certificates).await;
    client
        .send(format!(
            "POST /a HTTP/1.1\r\nHost: one.test\r\n{CHUNKED}\r\n\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: one.test\r\n\r\n"
        ))
        .await;
    client
        .read_response()
        .await
        .expect_status(200)
        .expect_json("/body_bytes", 0);
    client.read_to_end().await;
    upstream.expect_requests(1);
}

#[tokio::test]
async fn a_request_in_a_body_stays_a_body() {
    let (certificates, upstream, proxy) = edge().await;
    let mut client = wire(&proxy, &certificates).await;
    let body = "GET /smuggled HTTP/1.1\r\nHost: one.test\r\n\r\n";
    for method in ["GET", "POST", "DELETE"] {
        client
            .send(format!(
                "{method} /a HTTP/1.1\r\nHost: one.test\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ))
            .await;
        client.read_response().await.expect_status(200);
        upstream
            .last_request()
            .expect_target("/a")
            .expect_body(body);
    }
    upstream.expect_requests(3);
}

/// The second one is left unread, and the connection ends: its client sends it again.
#[tokio::test]
async fn pipelined_requests_are_answered_one_by_one_or_not_at_all() {
    let (certificates, upstream, proxy) = edge().await;
    let mut client = wire(&proxy, &certificates).await;
    client
        .send("GET /a HTTP/1.1\r\nHost: one.test\r\n\r\nGET /b HTTP/1.1\r\nHost: one.test\r\n\r\n")
        .await;
    client
        .read_response()
        .await
        .expect_status(200)
        .expect_json("/target", "/a");
    client.read_to_end().await;
    upstream.expect_requests(1);
}

/// Only the upstream's 101 makes a tunnel. Before it, what a client has sent on is not passed on.
#[tokio::test]
async fn an_upgrade_that_is_not_granted_makes_no_tunnel() {
    let (certificates, upstream, proxy) = edge().await;
    let mut client = wire(&proxy, &certificates).await;
    client
        .send(
            "GET /ws HTTP/1.1\r\nHost: one.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\
             GET /smuggled HTTP/1.1\r\nHost: one.test\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n",
        )
        .await;
    client.read_response().await.expect_status(200);
    soon("the connection ends", async || !client.is_open().await).await;
    upstream.expect_requests(1);
    upstream.last_request().expect_target("/ws");
}

#[tokio::test]
async fn a_request_is_for_one_host() {
    sent(&[
        ("none", "GET /a HTTP/1.1\r\n\r\n", 400, 0, ByTheDemo),
        (
            "none, HTTP/1.0",
            "GET /a HTTP/1.0\r\n\r\n",
            400,
            0,
            ByTheDemo,
        ),
        (
            "an empty one",
            "GET /a HTTP/1.1\r\nHost:\r\n\r\n",
            400,
            0,
            ByTheDemo,
        ),
        (
            "one that can be none",
            "GET /a HTTP/1.1\r\nHost: one.test/b?c\r\n\r\n",
            400,
            0,
            ByTheDemo,
        ),
        (
            "two",
            "GET /a HTTP/1.1\r\nHost: one.test\r\nHost: two.test\r\n\r\n",
            400,
            0,
            ByPingora,
        ),
        (
            "two that agree",
            "GET /a HTTP/1.1\r\nHost: one.test\r\nHost: one.test\r\n\r\n",
            400,
            0,
            ByPingora,
        ),
        (
            "a user",
            "GET /a HTTP/1.1\r\nHost: me@one.test\r\n\r\n",
            400,
            0,
            ByPingora,
        ),
        (
            "another in the target",
            "GET http://evil.test/a HTTP/1.1\r\nHost: one.test\r\n\r\n",
            400,
            0,
            ByPingora,
        ),
        (
            "only in the target",
            "GET http://one.test/a HTTP/1.1\r\n\r\n",
            400,
            0,
            ByTheDemo,
        ),
        (
            "the same in the target",
            "GET http://one.test/a HTTP/1.1\r\nHost: one.test\r\n\r\n",
            200,
            1,
            ByTheDemo,
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_is_no_request_for_a_server_is_refused() {
    sent(&[
        (
            "CONNECT",
            "CONNECT one.test:443 HTTP/1.1\r\nHost: one.test:443\r\n\r\n",
            405,
            0,
            ByPingora,
        ),
        (
            "TRACE",
            "TRACE /a HTTP/1.1\r\nHost: one.test\r\n\r\n",
            405,
            0,
            ByTheDemo,
        ),
        ("HTTP/0.9", "GET /a\r\n\r\n", 400, 0, ByPingora),
        (
            "a version that there is not",
            "GET /a HTTP/1.2\r\nHost: one.test\r\n\r\n",
            400,
            0,
            ByPingora,
        ),
        (
            "HTTP/2 without frames",
            "GET /a HTTP/2.0\r\nHost: one.test\r\n\r\n",
            400,
            0,
            ByPingora,
        ),
        (
            "the preface of HTTP/2",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            400,
            0,
            ByPingora,
        ),
        (
            "a relative target",
            "GET a HTTP/1.1\r\nHost: one.test\r\n\r\n",
            400,
            0,
            ByTheDemo,
        ),
        (
            "tabs",
            "GET\t/a\tHTTP/1.1\r\nHost: one.test\r\n\r\n",
            400,
            0,
            ByPingora,
        ),
    ])
    .await;
}

/// The plain port speaks HTTP/1 alone, and answers by itself.
#[tokio::test]
async fn the_plain_port_has_no_http2_and_reaches_no_upstream() {
    let (_certificates, upstream, proxy) = edge().await;
    for (request, status) in [
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        ("GET /a HTTP/1.1\r\n\r\n", 400),
        ("GET /a HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        (
            "GET /a HTTP/1.1\r\nHost: one.test\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
            308,
        ),
        ("GET /a HTTP/1.1\r\nHost: one.test\r\n\r\n", 308),
    ] {
        let mut client = proxy.connect().await;
        client.send(request).await;
        client.read_response().await.expect_status(status);
    }
    upstream.expect_no_request();
}
