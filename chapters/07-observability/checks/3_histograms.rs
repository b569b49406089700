//! 7.3 Four histograms tell connecting, waiting for the upstream, the whole request and the proxy itself apart.

use std::time::{Duration, Instant};

use lab::{Proxy, ProxyBuilder, Reply, Upstream, expect, soon};

const EXERCISE: &str = "7-3";

const DURATION: &str = "edge_request_duration_seconds";
const CONNECT: &str = "edge_upstream_connect_seconds";
const FIRST_BYTE: &str = "edge_upstream_first_byte_seconds";
const PROXY: &str = "edge_proxy_seconds";

const WHOLE: &str = "the request is over in logging; when the header of the answer goes out, its body is still to come";

/// The rules of this proxy take so long.
fn rules(milliseconds: u64) -> ProxyBuilder {
    Proxy::of(EXERCISE).env("RULES_MS", milliseconds)
}

/// The value of a sample that has no labels.
async fn sample(proxy: &Proxy, name: &str) -> f64 {
    let page = proxy.port("ADMIN").get("/metrics").send().await;
    page.expect_status(200);
    let text = page.text();
    let mut values = text.lines().filter_map(|line| line.strip_prefix(name));
    let value = values.find_map(|rest| rest.strip_prefix(' ')?.trim().parse().ok());
    value.unwrap_or_default()
}

async fn count(proxy: &Proxy, name: &str) -> f64 {
    sample(proxy, &format!("{name}_count")).await
}

/// Waits until so many times are in the histogram.
async fn observed(proxy: &Proxy, name: &str, times: usize) {
    soon(&format!("{name}_count is {times}"), async || {
        count(proxy, name).await == times as f64
    })
    .usually("each of the four is observed once for what it measures, however that ended")
    .await;
}

/// The seconds of one request in this histogram, which has no other.
async fn seconds(proxy: &Proxy, name: &str) -> f64 {
    observed(proxy, name, 1).await;
    sample(proxy, &format!("{name}_sum")).await
}

/// Expects that less than half of a request's time is in this histogram.
async fn expect_small_part(proxy: &Proxy, name: &str, usually: &str) {
    let [part, whole] = [seconds(proxy, name).await, seconds(proxy, DURATION).await];
    expect(
        part * 2.0 < whole,
        format!("{name} is less than half of {DURATION}: found {part} s of {whole} s"),
    )
    .usually(usually);
}

/// Expects so many seconds at least in this histogram.
async fn expect_at_least(proxy: &Proxy, name: &str, least: f64) {
    let found = seconds(proxy, name).await;
    expect(
        found >= least,
        format!("{name} has {least} s at least: found {found} s"),
    )
    .usually(WHOLE);
}

/// A body that takes 600 ms.
fn slow_body() -> Reply {
    Reply::text(200, "abcd").drip(Duration::from_millis(200))
}

/// A header that takes 600 ms.
fn slow_header() -> Reply {
    Reply::text(200, "late").after(Duration::from_millis(600))
}

#[tokio::test]
async fn the_duration_has_the_body_of_the_answer() {
    let upstream = Upstream::always(slow_body()).await;
    let proxy = rules(1).in_front_of(&upstream).await;
    proxy.get("/").send().await.expect_body("abcd");

    expect_at_least(&proxy, DURATION, 0.5).await;
}

#[tokio::test]
async fn every_ending_has_a_duration() {
    let upstream = Upstream::script([Reply::close(), Reply::stall()]).await;
    let proxy = rules(1).in_front_of(&upstream).await;
    proxy.get("/healthz").send().await.expect_status(200);
    proxy.post("/").body("x").send().await.expect_status(502);
    let mut client = proxy.port("LISTEN").connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    upstream.wait_for_requests(2).await;
    drop(client);

    observed(&proxy, DURATION, 3).await;
}

#[tokio::test]
async fn only_a_new_connection_is_a_time_to_connect() {
    let upstream = Upstream::echo().await;
    let proxy = rules(1).in_front_of(&upstream).await;
    let client = proxy.port("LISTEN").client().await;
    for _ in 0..8 {
        client.get("/").send().await.expect_status(200);
    }
    observed(&proxy, FIRST_BYTE, 8).await;

    let [counted, made] = [count(&proxy, CONNECT).await, upstream.connections() as f64];
    expect(
        counted == made,
        format!("{CONNECT}_count is {made}, the connections made: found {counted}"),
    )
    .usually("connected_to_upstream runs for a reused connection too, and says so");
}

#[tokio::test]
async fn the_time_to_connect_is_without_the_rules() {
    let upstream = Upstream::echo().await;
    let proxy = rules(500).in_front_of(&upstream).await;
    proxy.get("/").send().await.expect_status(200);

    let usually = "connecting begins when upstream_peer has chosen, and not with the request";
    expect_small_part(&proxy, CONNECT, usually).await;
}

#[tokio::test]
async fn the_first_byte_is_without_the_rules() {
    let upstream = Upstream::echo().await;
    let proxy = rules(500).in_front_of(&upstream).await;
    proxy.get("/").send().await.expect_status(200);

    let usually = "the wait for the upstream begins when there is a connection";
    expect_small_part(&proxy, FIRST_BYTE, usually).await;
}

#[tokio::test]
async fn the_first_byte_is_without_the_body() {
    let upstream = Upstream::always(slow_body()).await;
    let proxy = rules(1).in_front_of(&upstream).await;
    proxy.get("/").send().await.expect_body("abcd");

    expect_small_part(&proxy, FIRST_BYTE, WHOLE).await;
}

#[tokio::test]
async fn the_proxy_is_without_the_wait_for_the_answer() {
    let upstream = Upstream::always(slow_header()).await;
    let proxy = rules(1).in_front_of(&upstream).await;
    proxy.get("/").send().await.expect_body("late");

    let usually = "what was waited for the upstream is not the proxy's own time";
    expect_small_part(&proxy, PROXY, usually).await;
}

#[tokio::test]
async fn the_proxy_is_without_the_body() {
    let upstream = Upstream::always(slow_body()).await;
    let proxy = rules(1).in_front_of(&upstream).await;
    proxy.get("/").send().await.expect_body("abcd");

    let usually = "the proxy's own time ends when the header of the answer goes out";
    expect_small_part(&proxy, PROXY, usually).await;
}

mod given {
    use super::*;

    #[tokio::test]
    async fn the_first_byte_has_the_wait_for_the_header() {
        let upstream = Upstream::always(slow_header()).await;
        let proxy = rules(1).in_front_of(&upstream).await;
        proxy.get("/").send().await.expect_body("late");

        expect_at_least(&proxy, FIRST_BYTE, 0.5).await;
    }

    #[tokio::test]
    async fn the_proxy_has_the_rules() {
        let upstream = Upstream::echo().await;
        let proxy = rules(300).in_front_of(&upstream).await;
        proxy.get("/").send().await.expect_status(200);

        expect_at_least(&proxy, PROXY, 0.3).await;
    }

    #[tokio::test]
    async fn without_an_answer_there_is_no_first_byte() {
        let upstream = Upstream::always(Reply::close()).await;
        let proxy = rules(1).in_front_of(&upstream).await;
        proxy.post("/").body("x").send().await.expect_status(502);

        // The last thing that is done for a request.
        proxy.wait_for_log("status=Some(502)").await;
        for name in [FIRST_BYTE, PROXY] {
            let found = count(&proxy, name).await;
            expect(found == 0.0, format!("{name}_count is 0: found {found}"))
                .usually("an upstream that hangs up has answered nothing");
        }
    }

    #[tokio::test]
    async fn what_comes_before_the_answer_is_not_observed() {
        let hints = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n";
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        let upstream = Upstream::always(Reply::raw(format!("{hints}{answer}"))).await;
        let proxy = rules(1).in_front_of(&upstream).await;
        proxy.get("/").send().await.expect_body("ok");

        for name in [DURATION, FIRST_BYTE, PROXY] {
            observed(&proxy, name, 1).await;
        }
    }

    #[tokio::test]
    async fn times_are_in_seconds() {
        let upstream = Upstream::echo().await;
        let proxy = rules(1).in_front_of(&upstream).await;
        let begun = Instant::now();
        proxy.get("/").send().await.expect_status(200);
        let passed = begun.elapsed().as_secs_f64();

        for name in [CONNECT, FIRST_BYTE, PROXY] {
            let found = seconds(&proxy, name).await;
            expect(
                found > 0.0 && found <= passed,
                format!("{name} is not longer than the client waited, {passed} s: found {found} s"),
            )
            .usually("Prometheus counts time in seconds: as_secs_f64()");
        }
    }

    #[tokio::test]
    async fn without_an_upstream_nothing_was_waited_for() {
        let proxy = rules(1).alone().await;
        proxy.get("/").send().await.expect_status(502);
        proxy.get("/healthz").send().await.expect_status(200);

        for name in [CONNECT, FIRST_BYTE, PROXY] {
            let found = count(&proxy, name).await;
            expect(found == 0.0, format!("{name}_count is 0: found {found}"));
        }
    }

    #[tokio::test]
    async fn a_setting_that_cannot_be_read_is_refused() {
        let ended = Proxy::of(EXERCISE).env("RULES_MS", "0").run_to_end().await;
        ended.expect_code(2);
        ended.expect_stderr_contains("RULES_MS");
    }
}
