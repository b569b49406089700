//! 5.7 After failures in a row nothing is sent for a while; then one probe at a time finds out.

use lab::{Proxy, ProxyBuilder, Reply, Response, Upstream, eventually, expect};
use serde_json::Value;
use std::time::Instant;

const EXERCISE: &str = "5-7";

const OPEN: &str = "while it is open, pass() returns Err with what is left of self.open";
const ONE: &str = "in half open one request passes at a time: look at circuit.probing and set it, under the same lock";

/// A breaker that opens after two failures, for an hour.
fn strict() -> ProxyBuilder {
    Proxy::of(EXERCISE)
        .env("FAILURES", "2")
        .env("OPEN_MS", "3600000")
}

/// The same, but open for a moment only.
fn quick() -> ProxyBuilder {
    strict().env("OPEN_MS", "50")
}

/// Replies of an upstream that fails twice and then does something else.
fn fails_twice_then(replies: impl IntoIterator<Item = Reply>) -> Vec<Reply> {
    let failures = [Reply::text(503, "text"), Reply::text(503, "text")];
    failures.into_iter().chain(replies).collect()
}

async fn status(proxy: &Proxy) -> Value {
    proxy.get("/status").send().await.json()
}

fn is(state: &str, status: &Value) -> bool {
    status.get("state").is_some_and(|it| it == state)
}

async fn until_half_open(proxy: &Proxy) {
    eventually("/status says half-open", async || {
        is("half-open", &status(proxy).await)
    })
    .await;
}

async fn expect_state(state: &str, proxy: &Proxy) {
    let now = status(proxy).await;
    let what = format!("the breaker to be {state}, but /status says {now}");
    proxy.expect(is(state, &now), what);
}

/// Sends one request after the other.
async fn send(count: usize, proxy: &Proxy) {
    for _ in 0..count {
        proxy.get("/").send().await;
    }
}

fn expect_turned_away(answer: &Response) {
    answer.expect_status(503).usually(OPEN);
    answer.expect_header_where("retry-after", "seconds, at least 1", |value| {
        value.parse::<u64>().is_ok_and(|seconds| seconds >= 1)
    });
}

#[tokio::test]
async fn after_failures_in_a_row_the_upstream_sees_nothing() {
    let broken = Upstream::always(Reply::text(503, "text")).await;
    let proxy = strict().env("FAILURES", "3").in_front_of(&broken).await;

    send(10, &proxy).await;

    broken.expect_requests(3).usually(OPEN);
    expect_state("open", &proxy).await;
}

#[tokio::test]
async fn an_open_breaker_answers_503_with_retry_after() {
    let broken = Upstream::always(Reply::text(503, "text")).await;
    let proxy = strict().in_front_of(&broken).await;

    send(2, &proxy).await;
    for method in ["GET", "HEAD", "POST"] {
        let answer = proxy.request(method, "/").send().await;

        answer.expect_status(503);
        answer
            .expect_header_where("retry-after", "what is left of the hour", |value| {
                value
                    .parse()
                    .is_ok_and(|seconds| (3000..=3600).contains(&seconds))
            })
            .usually(OPEN);
    }
}

#[tokio::test]
async fn a_success_begins_the_count_again() {
    let replies =
        [503, 200, 503, 404, 503, 500, 503, 503].map(|status| Reply::text(status, "text"));
    let broken = Upstream::script(replies).await;
    let proxy = strict().in_front_of(&broken).await;

    send(20, &proxy).await;

    broken.expect_requests(8).usually(OPEN);
}

#[tokio::test]
async fn refused_and_broken_connections_open_it_too() {
    let broken = Upstream::always(Reply::close()).await;
    let proxy = strict().in_front_of(&broken).await;
    send(5, &proxy).await;
    broken.expect_requests(2).usually(OPEN);

    let refusing = Upstream::refusing().await;
    let proxy = strict().in_front_of(&refusing).await;
    for status in [502, 502, 503, 503] {
        proxy
            .get("/")
            .send()
            .await
            .expect_status(status)
            .usually(OPEN);
    }
}

#[tokio::test]
async fn of_many_at_once_one_is_the_probe() {
    let replies = fails_twice_then([Reply::text(200, "well again").gate()]);
    let upstream = Upstream::script(replies).await;
    let proxy = quick().in_front_of(&upstream).await;
    send(2, &proxy).await;
    until_half_open(&proxy).await;

    let requests: Vec<_> = (0..20)
        .map(|_| tokio::spawn(proxy.get("/").send()))
        .collect();
    eventually(
        "each of the 20 to be answered or at the upstream",
        async || {
            let answered = requests.iter().filter(|it| it.is_finished()).count();
            answered + upstream.requests().len() >= 22
        },
    )
    .await;
    upstream.expect_requests(3).usually(ONE);
    upstream.release();

    let mut well = 0;
    for request in requests {
        let answer = request.await.unwrap();
        match answer.status {
            200 => well += 1,
            _ => expect_turned_away(&answer),
        }
    }
    expect(well == 1, format!("one answer of the upstream, not {well}"));
    expect_state("closed", &proxy).await;
}

#[tokio::test]
async fn a_probe_that_works_closes_it() {
    let upstream = Upstream::script(fails_twice_then([Reply::text(200, "well")])).await;
    let proxy = quick().in_front_of(&upstream).await;
    send(2, &proxy).await;
    until_half_open(&proxy).await;

    proxy.get("/").send().await.expect_body("well");

    expect_state("closed", &proxy).await;
    for _ in 0..3 {
        proxy.get("/").send().await.expect_body("well");
    }
}

#[tokio::test]
async fn a_probe_that_fails_opens_it_again() {
    let upstream = Upstream::always(Reply::text(503, "text")).await;
    let proxy = quick().in_front_of(&upstream).await;
    send(2, &proxy).await;
    until_half_open(&proxy).await;

    proxy.get("/probe").send().await.expect_status(503);
    proxy.wait_for_log("/probe").await;

    let opened = proxy.log_lines_with("the breaker is open").len();
    expect(
        opened == 2,
        format!("a breaker that opens again after one failure, but it opened {opened} times"),
    )
    .usually("in half open the probe decides: there is no second failure to wait for");
    send(10, &proxy).await;
    proxy.get("/last").send().await.expect_status(503);
    proxy.wait_for_log("/last").await;
    // However long these requests took: for each one that passes it was half open once.
    let most = 2 + proxy.log_lines_with("the breaker is half-open").len();
    let seen = upstream.requests().len();
    expect(
        seen <= most,
        format!("one probe each time it is half open, {most} requests in all, but the upstream saw {seen}"),
    )
    .usually(OPEN);
}

#[tokio::test]
async fn a_probe_whose_client_goes_away_makes_room_for_the_next() {
    let replies = [Reply::text(200, "late").gate(), Reply::text(200, "well")];
    let upstream = Upstream::script(fails_twice_then(replies)).await;
    let proxy = quick().in_front_of(&upstream).await;
    send(2, &proxy).await;
    until_half_open(&proxy).await;

    let mut probe = proxy.connect().await;
    probe
        .send("GET /gone HTTP/1.1\r\nHost: edge.example\r\n\r\n")
        .await;
    upstream.wait_for_requests(3).await;
    expect_turned_away(&proxy.get("/").send().await);
    drop(probe);
    proxy.wait_for_log("/gone").await;

    expect_state("half-open", &proxy).await;
    proxy
        .get("/")
        .send()
        .await
        .expect_body("well")
        .usually("nothing was learned, and the next request is the probe: Pass can implement Drop");
    expect_state("closed", &proxy).await;
}

#[tokio::test]
async fn a_client_that_goes_away_is_no_failure() {
    let replies = [
        Reply::text(503, "text"),
        Reply::text(200, "late").gate(),
        Reply::text(503, "text"),
    ];
    let upstream = Upstream::script(replies).await;
    let proxy = strict().in_front_of(&upstream).await;

    send(1, &proxy).await;
    let mut client = proxy.connect().await;
    client
        .send("GET /gone HTTP/1.1\r\nHost: edge.example\r\n\r\n")
        .await;
    upstream.wait_for_requests(2).await;
    drop(client);
    proxy.wait_for_log("/gone").await;

    let now = status(&proxy).await;
    expect(
        now["failures"] == 1,
        format!("one failure, neither more nor forgotten, but /status says {now}"),
    );
    send(4, &proxy).await;
    upstream.expect_requests(3).usually(OPEN);
}

#[tokio::test]
async fn retry_after_is_what_is_left_of_the_time() {
    let broken = Upstream::always(Reply::text(503, "text")).await;
    let proxy = strict().env("OPEN_MS", "60000").in_front_of(&broken).await;

    send(2, &proxy).await;
    // A header in whole seconds needs one to change.
    eventually("/status says open for more than 1000 ms", async || {
        status(&proxy).await["since_ms"].as_u64() > Some(1000)
    })
    .await;

    let answer = proxy.get("/").send().await;
    answer
        .expect_header_where("retry-after", "at most 59", |value| {
            value
                .parse()
                .is_ok_and(|seconds| (1..=59).contains(&seconds))
        })
        .usually(OPEN);
}

#[tokio::test]
async fn what_was_sent_before_it_opened_proves_nothing_after() {
    let replies = [
        Reply::text(200, "late").gate(),
        Reply::text(503, "late").gate(),
        Reply::text(503, "text"),
        Reply::text(503, "text"),
        Reply::text(200, "probe").gate(),
        Reply::text(200, "one too many"),
    ];
    let upstream = Upstream::script(replies).await;
    let proxy = quick().in_front_of(&upstream).await;

    let well = tokio::spawn(proxy.get("/late").send());
    upstream.wait_for_requests(1).await;
    let failed = tokio::spawn(proxy.get("/late").send());
    upstream.wait_for_requests(2).await;
    send(2, &proxy).await;
    until_half_open(&proxy).await;
    let probe = tokio::spawn(proxy.get("/probe").send());
    upstream.wait_for_requests(5).await;

    for late in [well, failed] {
        upstream.release();
        late.await.unwrap().expect_body("late");
        expect_state("half-open", &proxy).await;
        expect_turned_away(&proxy.get("/").send().await);
    }
    upstream.release();
    probe.await.unwrap().expect_body("probe");
    expect_state("closed", &proxy).await;
}

#[tokio::test]
async fn failures_that_come_late_do_not_open_it_again() {
    let gated = std::iter::repeat_n(Reply::text(503, "text").gate(), 6);
    let broken = Upstream::script(gated.chain([Reply::text(200, "one too many")])).await;
    let proxy = strict().in_front_of(&broken).await;

    let requests: Vec<_> = (0..6)
        .map(|_| tokio::spawn(proxy.get("/").send()))
        .collect();
    broken.wait_for_requests(6).await;
    (0..6).for_each(|_| broken.release());
    for request in requests {
        request.await.unwrap();
    }

    expect_turned_away(&proxy.get("/last").send().await);
    proxy.wait_for_log("/last").await;
    let opened = proxy.log_lines_with("the breaker is open").len();
    expect(
        opened == 1,
        format!("a breaker that opened once, but it did {opened} times"),
    )
    .usually("six were under way: two of them open it, and the others find it open already");
}

#[tokio::test]
async fn the_status_says_since_when_and_why() {
    let broken = Upstream::always(Reply::text(503, "text")).await;
    let proxy = strict().in_front_of(&broken).await;
    eventually("closed for 20 ms", async || {
        status(&proxy).await["since_ms"].as_u64() >= Some(20)
    })
    .await;

    let before = Instant::now();
    send(4, &proxy).await;

    broken.expect_requests(2).usually(OPEN);
    let now = status(&proxy).await;
    let most = before.elapsed().as_millis();
    let since = now["since_ms"].as_u64().map(u128::from);
    expect(
        is("open", &now) && since.is_some_and(|since| since <= most),
        format!("open for at most {most} ms, but /status says {now}"),
    );
    expect(
        now["why"].as_str().is_some_and(|why| why.contains("503")),
        format!("a reason with the status 503, but /status says {now}"),
    );
}

mod given {
    use super::*;

    #[tokio::test]
    async fn a_closed_breaker_lets_everything_pass() {
        let upstream = Upstream::always(Reply::text(200, "hello")).await;
        let proxy = strict().in_front_of(&upstream).await;

        for _ in 0..3 {
            proxy.get("/").send().await.expect_body("hello");
        }

        expect_state("closed", &proxy).await;
    }

    #[tokio::test]
    async fn a_number_that_is_none_is_refused() {
        let ended = Proxy::of(EXERCISE).env("OPEN_MS", "0").run_to_end().await;

        ended.expect_code(2);
        ended.expect_stderr_contains("OPEN_MS");
    }
}
