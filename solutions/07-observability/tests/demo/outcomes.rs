//! Each ending: exactly one line, counted once, and nothing is in flight any more.

use std::time::Duration;

use lab::{Proxy, Reply, Upstream, eventually};
use serde_json::Value;

use crate::{demo, lines, logged, metrics, sum};

/// Waits for the line and the counts of the one request that there was, and returns the line.
async fn only_line(proxy: &Proxy, outcome: &str, status: &str) -> Value {
    let line = logged(proxy, 1).await.remove(0);
    proxy.expect(
        line["outcome"] == outcome,
        format!("the outcome {outcome} in {line}"),
    );
    eventually(
        "the request is counted, and none is in flight",
        async || {
            let page = metrics(proxy).await;
            sum(&page, "edge_requests_total") == 1.0 && sum(&page, "edge_requests_in_flight") == 0.0
        },
    )
    .await;
    let page = metrics(proxy).await;
    let counted = page.lines().any(|it| {
        it.starts_with("edge_requests_total")
            && it.contains(&format!("status=\"{status}\""))
            && it.ends_with(" 1")
    });
    proxy.expect(counted, format!("counted under status {status}"));
    let measured = sum(&page, "edge_request_duration_seconds_count");
    proxy.expect(measured == 1.0, "one measured duration");
    let gone = sum(&page, "edge_client_aborts_total");
    let expected = f64::from(u8::from(outcome == "client_gone"));
    proxy.expect(
        gone == expected,
        format!("{expected} client aborts, not {gone}"),
    );
    proxy.expect(lines(proxy).len() == 1, "exactly one line");
    line
}

#[tokio::test]
async fn an_answer_is_passed_on() {
    let upstream = Upstream::echo().await;
    let proxy = demo().in_front_of(&upstream).await;
    let answer = proxy
        .get("/users/7")
        .header("user-agent", "tester/1")
        .send()
        .await;
    answer.expect_status(200);
    let line = only_line(&proxy, "answered", "2xx").await;
    for (field, value) in [
        ("http.request.method", "GET"),
        ("url.path", "/users/7"),
        ("http.route", "/users/{id}"),
        ("user_agent.original", "tester/1"),
        ("client.address", "127.0.0.1"),
        ("network.protocol.version", "1.1"),
    ] {
        proxy.expect(line[field] == value, format!("{field}: {value} in {line}"));
    }
    proxy.expect(line["http.response.status_code"] == 200, "the status");
}

#[tokio::test]
async fn an_error_of_the_upstream_is_an_answer() {
    let upstream = Upstream::always(Reply::text(503, "busy")).await;
    let proxy = demo().in_front_of(&upstream).await;
    proxy.get("/").send().await.expect_status(503);
    only_line(&proxy, "answered", "5xx").await;
}

#[tokio::test]
async fn the_proxy_answers_by_itself() {
    let proxy = demo().alone().await;
    proxy
        .get("/healthz")
        .send()
        .await
        .expect_status(200)
        .expect_body("ok\n");
    only_line(&proxy, "local", "2xx").await;
}

#[tokio::test]
async fn nobody_takes_the_connection() {
    let proxy = demo().alone().await;
    proxy.get("/users/7").send().await.expect_status(502);
    let line = only_line(&proxy, "refused", "5xx").await;
    proxy.expect(line["error.type"] == "ConnectRefused", "the error's type");
}

#[tokio::test]
async fn the_second_upstream_takes_what_the_first_refused() {
    let (dead, alive) = (Upstream::refusing().await, Upstream::echo().await);
    let proxy = demo().in_front_of_all([&dead, &alive]).await;
    proxy
        .post("/orders")
        .body("x")
        .send()
        .await
        .expect_status(200);
    let line = only_line(&proxy, "answered", "2xx").await;
    proxy.expect(
        line["edge.upstream.tries"] == 2,
        format!("two tries in {line}"),
    );
}

#[tokio::test]
async fn an_upstream_that_cannot_be_reached_times_out() {
    let upstream = Upstream::unreachable().await;
    let proxy = demo()
        .env("CONNECT_TIMEOUT_MS", 200)
        .in_front_of(&upstream)
        .await;
    proxy.get("/").send().await.expect_status(504);
    only_line(&proxy, "timed_out", "5xx").await;
}

#[tokio::test]
async fn a_silent_upstream_times_out() {
    let upstream = Upstream::silent().await;
    let proxy = demo()
        .env("READ_TIMEOUT_MS", 200)
        .in_front_of(&upstream)
        .await;
    proxy.get("/").send().await.expect_status(504);
    only_line(&proxy, "timed_out", "5xx").await;
}

#[tokio::test]
async fn an_upstream_resets() {
    let upstream = Upstream::always(Reply::reset()).await;
    let proxy = demo().in_front_of(&upstream).await;
    proxy.get("/close").send().await.expect_status(502);
    only_line(&proxy, "upstream_failed", "5xx").await;
}

#[tokio::test]
async fn an_upstream_talks_nonsense() {
    let upstream = Upstream::always(Reply::garbage()).await;
    let proxy = demo().in_front_of(&upstream).await;
    proxy.get("/").send().await.expect_status(502);
    only_line(&proxy, "upstream_failed", "5xx").await;
}

#[tokio::test]
async fn an_upstream_breaks_off_within_the_body() {
    let upstream = Upstream::always(Reply::truncated(1_000, "half").then_close()).await;
    let proxy = demo().in_front_of(&upstream).await;
    proxy.get("/").send().await.expect_cut_short();
    // What was sent was a 200: the outcome alone tells that it was cut.
    only_line(&proxy, "upstream_failed", "2xx").await;
}

#[tokio::test]
async fn a_client_leaves_before_there_is_an_answer() {
    let upstream = Upstream::silent().await;
    let proxy = demo().in_front_of(&upstream).await;
    let mut wire = proxy.connect().await;
    wire.send("GET /users/7 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    upstream.wait_for_requests(1).await;
    drop(wire);
    let line = only_line(&proxy, "client_gone", "none").await;
    let status = line.get("http.response.status_code");
    proxy.expect(status.is_none(), "no status where no answer was sent");
}

#[tokio::test]
async fn a_client_leaves_within_its_request() {
    let upstream = Upstream::echo().await;
    let proxy = demo().in_front_of(&upstream).await;
    let mut wire = proxy.connect().await;
    wire.send("POST /orders HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nhalf")
        .await;
    upstream.wait_for_requests(1).await;
    drop(wire);
    only_line(&proxy, "client_gone", "none").await;
}

#[tokio::test]
async fn a_client_leaves_within_the_answer() {
    let upstream = Upstream::always(Reply::pieces(["one", "two"])).await;
    let proxy = demo().in_front_of(&upstream).await;
    let mut answer = proxy.get("/drip/2").start().await;
    answer.expect_piece("one").await;
    drop(answer);
    only_line(&proxy, "client_gone", "2xx").await;
}

#[tokio::test]
async fn a_client_sends_nothing_more() {
    let upstream = Upstream::echo().await;
    let proxy = demo()
        .env("CLIENT_TIMEOUT_MS", 200)
        .in_front_of(&upstream)
        .await;
    let mut wire = proxy.connect().await;
    wire.send("POST /orders HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nhalf")
        .await;
    let answer = wire.read_response().await;
    answer.expect_status(408);
    only_line(&proxy, "client_timed_out", "4xx").await;
}

/// The client's limit is for what the client owes, and here it has sent all.
#[tokio::test]
async fn a_client_that_waits_for_a_slow_upstream_is_not_timed_out() {
    let slow = Reply::text(200, "at last").after(Duration::from_millis(800));
    let upstream = Upstream::always(slow).await;
    let proxy = demo()
        .env("CLIENT_TIMEOUT_MS", 200)
        .in_front_of(&upstream)
        .await;
    proxy
        .post("/orders")
        .body("x")
        .send()
        .await
        .expect_status(200);
    only_line(&proxy, "answered", "2xx").await;
}

/// Pingora answers it before any of the proxy's code runs.
#[tokio::test]
async fn a_malformed_request_leaves_no_line_and_no_secret() {
    let proxy = demo().env("RUST_LOG", "debug").alone().await;
    let mut wire = proxy.connect().await;
    wire.send("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer s3cr3t\r\nno colon\r\n\r\n")
        .await;
    wire.read_response().await.expect_status(400);
    proxy.get("/healthz").send().await.expect_status(200);
    only_line(&proxy, "local", "2xx").await;
    proxy.expect_log_without("s3cr3t");
}
