//! 7.4 The gauge says how many requests are in flight, and is back at zero after every kind of ending.

use lab::{Proxy, ProxyBuilder, Reply, Upstream, expect, soon};

const EXERCISE: &str = "7-4";

const GIVEN_BACK: &str = "there are more endings than answers: what gives the gauge back must run for each of them, once";

fn proxy() -> ProxyBuilder {
    Proxy::of(EXERCISE)
}

/// What the gauge says.
async fn in_flight(proxy: &Proxy) -> Option<f64> {
    let page = proxy.port("ADMIN").get("/metrics").send().await;
    page.expect_status(200);
    let text = page.text();
    let mut lines = text.lines();
    lines
        .find_map(|line| line.strip_prefix("edge_requests_in_flight "))
        .and_then(|value| value.trim().parse().ok())
}

async fn expect_in_flight(proxy: &Proxy, count: f64) {
    let found = in_flight(proxy).await;
    expect(
        found == Some(count),
        format!(
            "edge_requests_in_flight is {count}: found {}",
            found.map_or_else(|| "none".to_owned(), |it| it.to_string())
        ),
    )
    .usually("a request is in flight from its header to the end of the answer's body");
}

/// Waits until nothing is in flight.
async fn expect_back_at_zero(proxy: &Proxy) {
    soon("edge_requests_in_flight is 0", async || {
        in_flight(proxy).await == Some(0.0)
    })
    .usually(GIVEN_BACK)
    .await;
}

/// Sends a request, and leaves as soon as the upstream has it.
async fn leave_early(proxy: &Proxy, upstream: &Upstream, request: &str) {
    let before = upstream.requests().len();
    let mut client = proxy.port("LISTEN").connect().await;
    client.send(request).await;
    upstream.wait_for_requests(before + 1).await;
    drop(client);
}

#[tokio::test]
async fn a_request_is_in_flight_until_its_body_has_ended() {
    let upstream = Upstream::always(Reply::pieces(["one", "two"])).await;
    let proxy = proxy().in_front_of(&upstream).await;
    let mut answer = proxy.get("/").start().await;
    answer.expect_piece("one").await;

    expect_in_flight(&proxy, 1.0).await;

    upstream.release();
    answer.finish().await.expect_body("onetwo");
    expect_back_at_zero(&proxy).await;
}

#[tokio::test]
async fn each_of_several_requests_counts() {
    let upstream = Upstream::always(Reply::pieces(["one", "two"])).await;
    let proxy = proxy().in_front_of(&upstream).await;
    let mut answers = Vec::new();
    for count in 1..=3 {
        let mut answer = proxy.get("/").start().await;
        answer.expect_piece("one").await;
        answers.push(answer);
        expect_in_flight(&proxy, f64::from(count)).await;
    }

    for _ in &answers {
        upstream.release();
    }
    for answer in answers {
        answer.finish().await.expect_body("onetwo");
    }
    expect_back_at_zero(&proxy).await;
}

#[tokio::test]
async fn one_that_ends_leaves_the_others_in_flight() {
    let upstream = Upstream::always(Reply::pieces(["one", "two"])).await;
    let proxy = proxy().in_front_of(&upstream).await;
    let mut stays = proxy.get("/").start().await;
    stays.expect_piece("one").await;
    let mut leaves = proxy.get("/").start().await;
    leaves.expect_piece("one").await;
    expect_in_flight(&proxy, 2.0).await;

    drop(leaves);

    soon("edge_requests_in_flight is 1", async || {
        in_flight(&proxy).await == Some(1.0)
    })
    .usually(GIVEN_BACK)
    .await;
    drop(stays);
    expect_back_at_zero(&proxy).await;
}

#[tokio::test]
async fn back_at_zero_after_an_answer_of_the_proxy_itself() {
    let proxy = proxy().alone().await;
    proxy.get("/healthz").send().await.expect_status(200);

    expect_back_at_zero(&proxy).await;
}

#[tokio::test]
async fn back_at_zero_after_a_connection_that_was_refused() {
    let proxy = proxy().alone().await;
    proxy.get("/").send().await.expect_status(502);

    expect_back_at_zero(&proxy).await;
}

#[tokio::test]
async fn back_at_zero_after_a_time_out() {
    let upstream = Upstream::silent().await;
    let proxy = proxy()
        .env("READ_TIMEOUT_MS", 50)
        .in_front_of(&upstream)
        .await;
    proxy.get("/").send().await.expect_status(502);

    expect_back_at_zero(&proxy).await;
}

#[tokio::test]
async fn back_at_zero_after_an_upstream_that_hung_up() {
    let upstream = Upstream::always(Reply::close()).await;
    let proxy = proxy().in_front_of(&upstream).await;
    proxy.post("/").body("x").send().await.expect_status(502);

    expect_back_at_zero(&proxy).await;
}

#[tokio::test]
async fn back_at_zero_after_a_client_that_left_before_the_answer() {
    let upstream = Upstream::silent().await;
    let proxy = proxy().in_front_of(&upstream).await;
    leave_early(&proxy, &upstream, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;

    expect_back_at_zero(&proxy).await;
}

#[tokio::test]
async fn back_at_zero_after_a_client_that_left_in_its_upload() {
    let upstream = Upstream::silent().await;
    let proxy = proxy().in_front_of(&upstream).await;
    let upload = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nthe first bytes";
    leave_early(&proxy, &upstream, upload).await;

    expect_back_at_zero(&proxy).await;
}

#[tokio::test]
async fn back_at_zero_after_a_client_that_left_in_the_answer() {
    let upstream = Upstream::always(Reply::pieces(["one", "two"])).await;
    let proxy = proxy().in_front_of(&upstream).await;
    let mut answer = proxy.get("/").start().await;
    answer.expect_piece("one").await;
    expect_in_flight(&proxy, 1.0).await;

    drop(answer);

    expect_back_at_zero(&proxy).await;
}

#[tokio::test]
async fn back_at_zero_after_an_answer_that_was_cut() {
    let upstream = Upstream::script([
        Reply::truncated(1_000, "half"),
        Reply::pieces(["one", "two"]),
    ])
    .await;
    let proxy = proxy().in_front_of(&upstream).await;
    proxy.get("/").send().await.expect_cut_short();
    expect_back_at_zero(&proxy).await;

    let mut answer = proxy.get("/").start().await;
    answer.expect_piece("one").await;

    expect_in_flight(&proxy, 1.0).await;
}

#[tokio::test]
async fn no_ending_gives_back_twice() {
    let upstream = Upstream::script([
        Reply::text(200, "whole"),
        Reply::truncated(1_000, "half"),
        Reply::close(),
        Reply::pieces(["one", "two"]),
    ])
    .await;
    let proxy = proxy().in_front_of(&upstream).await;
    proxy.get("/healthz").send().await.expect_status(200);
    proxy.get("/").send().await.expect_status(200);
    proxy.get("/").send().await.expect_cut_short();
    proxy.post("/").body("x").send().await.expect_status(502);
    expect_back_at_zero(&proxy).await;

    let mut answer = proxy.get("/").start().await;
    answer.expect_piece("one").await;

    expect_in_flight(&proxy, 1.0).await;
}

#[tokio::test]
async fn a_request_that_is_tried_again_is_one_request() {
    let [down, up] = [
        Upstream::refusing().await,
        Upstream::always(Reply::pieces(["one", "two"])).await,
    ];
    let proxy = proxy().in_front_of_all([&down, &up]).await;
    let mut answer = proxy.get("/").start().await;
    answer.expect_piece("one").await;

    expect_in_flight(&proxy, 1.0).await;

    drop(answer);
    expect_back_at_zero(&proxy).await;
}

mod given {
    use super::*;

    #[tokio::test]
    async fn a_request_is_in_flight_before_its_answer() {
        let upstream = Upstream::silent().await;
        let proxy = proxy().in_front_of(&upstream).await;
        let mut client = proxy.port("LISTEN").connect().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        upstream.wait_for_requests(1).await;

        expect_in_flight(&proxy, 1.0).await;
    }

    #[tokio::test]
    async fn back_at_zero_after_an_answer_without_a_body() {
        let upstream = Upstream::script([
            Reply::text(200, "not sent"),
            Reply::status(204),
            Reply::status(304),
        ])
        .await;
        let proxy = proxy().in_front_of(&upstream).await;
        proxy.head("/").send().await.expect_status(200);
        proxy.get("/").send().await.expect_status(204);
        proxy.get("/").send().await.expect_status(304);

        expect_back_at_zero(&proxy).await;
    }

    #[tokio::test]
    async fn back_at_zero_after_an_answer_while_the_connection_stays() {
        let upstream = Upstream::echo().await;
        let proxy = proxy().in_front_of(&upstream).await;
        let client = proxy.port("LISTEN").client().await;
        for _ in 0..3 {
            client.get("/").send().await.expect_status(200);
        }
        client.expect_open().await;

        expect_back_at_zero(&proxy).await;
    }

    #[tokio::test]
    async fn what_is_no_request_does_not_count() {
        let proxy = proxy().alone().await;
        let mut client = proxy.port("LISTEN").connect().await;
        client.send("this is not HTTP\r\n\r\n").await;
        client.read_response().await;

        expect_back_at_zero(&proxy).await;
    }

    #[tokio::test]
    async fn a_setting_that_cannot_be_read_is_refused() {
        let proxy = proxy().env("READ_TIMEOUT_MS", "0");
        let ended = proxy.run_to_end().await;
        ended.expect_code(2);
        ended.expect_stderr_contains("READ_TIMEOUT_MS");
    }
}
