//! What a header may contain, and what a client cannot say through it.

use lab::expect;

use crate::{edge, https, wire};

#[tokio::test]
async fn lines_that_can_be_read_in_two_ways_are_refused() {
    let (certificates, upstream, proxy) = edge().await;
    for (name, lines) in [
        ("a folded line", "X-A: b\r\n c\r\n"),
        ("a folded first line", " X-A: b\r\n"),
        ("CR alone", "X-A: b\rX-B: c\r\n"),
        ("NUL", "X-A: b\0c\r\n"),
        ("CR in a name", "X-\rA: b\r\n"),
        ("a space before the colon", "X-A : b\r\n"),
        ("no colon", "X-A\r\n"),
        ("no name", ": b\r\n"),
    ] {
        let mut client = wire(&proxy, &certificates).await;
        client
            .send(format!("GET /a HTTP/1.1\r\nHost: one.test\r\n{lines}\r\n"))
            .await;
        let answer = client.read_response().await;
        answer
            .expect_status(400)
            .expect_no_header("x-request-id")
            .usually(&format!("the header has {name}"));
        client.read_to_end().await;
    }
    upstream.expect_no_request();
}

/// RFC 9112, section 2.2 allows a server to take LF for a line's end. What matters is that the upstream gets CRLF.
#[tokio::test]
async fn lines_that_end_with_lf_are_passed_on_with_crlf() {
    let (certificates, upstream, proxy) = edge().await;
    let mut client = wire(&proxy, &certificates).await;
    client
        .send("GET /a HTTP/1.1\nHost: one.test\nX-A: b\n\n")
        .await;
    client.read_response().await.expect_status(200);
    upstream.expect_requests(1);
    upstream.last_request().expect_header("x-a", "b");
    let bytes = upstream.bytes(0);
    let lines = bytes.split(|&byte| byte == b'\n');
    let bare = lines.filter(|line| !line.is_empty() && line.last() != Some(&b'\r'));
    expect(bare.count() == 0, "no line that ends with LF alone");
}

#[tokio::test]
async fn what_is_for_this_connection_alone_is_not_passed_on() {
    let (certificates, upstream, proxy) = edge().await;
    let answer = https(&proxy, &certificates)
        .get("/a")
        .header("connection", "close, x-secret")
        .header("x-secret", "1")
        .header("keep-alive", "3")
        .header("proxy-connection", "close")
        .header("proxy-authorization", "Basic c2VjcmV0")
        .header("te", "trailers")
        .header("upgrade", "h2c")
        .send()
        .await;
    answer.expect_status(200);
    let request = upstream.last_request();
    for name in [
        "x-secret",
        "keep-alive",
        "proxy-connection",
        "proxy-authorization",
        "te",
        "upgrade",
    ] {
        request.expect_no_header(name);
    }
}

/// A name in Connection is removed: a client must not have removed what this proxy says about it.
#[tokio::test]
async fn connection_removes_nothing_that_the_proxy_says() {
    let (certificates, upstream, proxy) = edge().await;
    for name in [
        "host",
        "x-forwarded-for",
        "X-Forwarded-Proto",
        "x-forwarded-host",
    ] {
        let answer = https(&proxy, &certificates)
            .get("/a")
            .header("connection", format!("close, {name}"))
            .send()
            .await;
        answer.expect_status(400);
    }
    upstream.expect_no_request();
    let answer = https(&proxy, &certificates)
        .get("/a")
        .header("connection", "close, x-request-id")
        .send()
        .await;
    answer.expect_status(200);
    let request = upstream.last_request();
    let id = answer.header("x-request-id").unwrap_or_default();
    request.expect_header("x-request-id", id);
}

#[tokio::test]
async fn what_a_client_claims_about_itself_is_replaced() {
    let (certificates, upstream, proxy) = edge().await;
    let answer = https(&proxy, &certificates)
        .get("/a")
        .header("host", "one.test")
        .header("x-forwarded-for", "6.6.6.6")
        .header("x-forwarded-proto", "http")
        .header("x-forwarded-host", "evil.test")
        .header("forwarded", "for=6.6.6.6")
        .header("x-request-id", "forged")
        .send()
        .await;
    answer.expect_status(200);
    let request = upstream.last_request();
    request
        .expect_header("x-forwarded-for", "127.0.0.1")
        .expect_header("x-forwarded-proto", "https")
        .expect_header("x-forwarded-host", "one.test")
        .expect_no_header("forwarded");
    let id = answer.header("x-request-id").unwrap_or_default();
    expect(id != "forged", "an id of the proxy's own");
    request.expect_header("x-request-id", id);
}

#[tokio::test]
async fn a_target_cannot_forge_a_log_line_and_its_query_is_not_logged() {
    let (certificates, _upstream, proxy) = edge().await;
    let mut client = wire(&proxy, &certificates).await;
    client
        .send(b"GET /a\"\xe2\x80\xae?token=s3cret HTTP/1.1\r\nHost: one.test\r\n\r\n")
        .await;
    client.read_response().await;
    let line = proxy.wait_for_log("id=").await;
    expect(
        line.is_ascii(),
        "nothing but what a terminal shows as it is",
    );
    proxy.expect_log_without("s3cret");
}
