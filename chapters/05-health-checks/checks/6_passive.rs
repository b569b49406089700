//! 5.6 Who fails so many requests in a row gets none for a while; the while grows; only the upstream's own failures
//! count.

use lab::{Proxy, ProxyBuilder, Reply, Upstream, eventually, expect, soon};
use serde_json::Value;
use std::time::{Duration, Instant};

const EXERCISE: &str = "5-6";

const ONLY_ITS_OWN: &str = "error.esource() says on whose side it happened; an upstream is to blame for its own failures only";
const IN_A_ROW: &str = "count failures in a row: any success begins again at 0";

/// A proxy that ejects after two failures, for an hour.
fn strict() -> ProxyBuilder {
    Proxy::of(EXERCISE)
        .env("FAILURES", "2")
        .env("COOL_DOWN_MS", "3600000")
        .env("COOL_DOWN_MAX_MS", "36000000")
        .env("READ_TIMEOUT_MS", "100")
}

/// What `/status` says of the first upstream.
async fn first(proxy: &Proxy) -> Value {
    let status = proxy.get("/status").send().await.json();
    status.pointer("/backends/0").cloned().unwrap_or_default()
}

fn is(state: &str, status: &Value) -> bool {
    status.get("state").is_some_and(|it| it == state)
}

async fn expect_first_out(proxy: &Proxy) {
    let status = first(proxy).await;
    let what = format!("the first upstream to be out, but /status says {status}");
    proxy.expect(is("out", &status), what).usually(
        "failed() decides: at policy.failures in a row the backend gets a cool_down, and choose() leaves it out",
    );
}

async fn until_first_is_in(proxy: &Proxy) {
    eventually("/status says that the first upstream is in", async || {
        is("in", &first(proxy).await)
    })
    .usually("look() runs before each request and each /status: there the cool-down can end")
    .await;
}

/// Sends one request after the other; two upstreams that are in take turns.
async fn send(count: usize, proxy: &Proxy) {
    for _ in 0..count {
        proxy.get("/").send().await;
    }
}

#[tokio::test]
async fn so_many_failures_in_a_row_eject() {
    let (failing, other) = (Upstream::refusing().await, Upstream::echo().await);
    let proxy = strict()
        .env("FAILURES", "3")
        .in_front_of_all([&failing, &other])
        .await;

    let mut failed = 0;
    for _ in 0..20 {
        failed += usize::from(proxy.get("/").send().await.status == 502);
    }

    expect(
        failed == 3,
        format!("3 clients that meet the broken upstream, but {failed} did"),
    )
    .usually("self.failures counts one request after the other; at policy.failures the backend goes out, and choose() leaves it out");
}

#[tokio::test]
async fn a_success_begins_the_count_again() {
    let replies =
        [503, 200, 503, 200, 503, 200, 503, 503].map(|status| Reply::text(status, "text"));
    let (failing, other) = (Upstream::script(replies).await, Upstream::echo().await);
    let proxy = strict().in_front_of_all([&failing, &other]).await;

    send(30, &proxy).await;

    failing.expect_requests(8).usually(IN_A_ROW);
}

#[tokio::test]
async fn an_upstream_that_cannot_do_its_work_fails() {
    for status in [502, 503, 504] {
        let failing = Upstream::always(Reply::text(status, "text")).await;
        let other = Upstream::echo().await;
        let proxy = strict().in_front_of_all([&failing, &other]).await;

        send(10, &proxy).await;

        failing.expect_requests(2).usually(
            "502, 503 and 504 say that the server, or what is behind it, cannot do its work",
        );
    }
}

#[tokio::test]
async fn an_answer_about_the_request_is_no_failure() {
    let replies =
        [404, 500, 400, 500, 501, 500, 502, 502].map(|status| Reply::text(status, "text"));
    let (failing, other) = (Upstream::script(replies).await, Upstream::echo().await);
    let proxy = strict().in_front_of_all([&failing, &other]).await;

    send(30, &proxy).await;

    failing
        .expect_requests(8)
        .usually("a request that makes the server answer 400, 404, 500 or 501 could eject one server after the other");
}

#[tokio::test]
async fn who_breaks_off_or_stays_silent_fails() {
    for reply in [
        Reply::reset(),
        Reply::close(),
        Reply::truncated(10, "hello"),
        Reply::stall(),
    ] {
        let (failing, other) = (Upstream::always(reply).await, Upstream::echo().await);
        let proxy = strict().in_front_of_all([&failing, &other]).await;

        send(10, &proxy).await;

        failing
            .expect_requests(2)
            .usually("logging has the error of a request that did not come to its end");
    }
}

#[tokio::test]
async fn a_client_that_goes_away_is_not_the_upstreams_fault() {
    let replies = [
        Reply::text(503, "text"),
        Reply::text(200, "late").gate(),
        Reply::pieces(["first", "second"]),
        Reply::text(503, "text"),
    ];
    let (slow, other) = (Upstream::script(replies).await, Upstream::echo().await);
    let proxy = strict()
        .env("READ_TIMEOUT_MS", "3600000")
        .in_front_of_all([&slow, &other])
        .await;

    send(2, &proxy).await;
    // One leaves before the answer, one in the middle of it.
    for number in [2, 3] {
        let mut client = proxy.connect().await;
        let request = format!("GET /gone-{number} HTTP/1.1\r\nHost: edge.example\r\n\r\n");
        client.send(request).await;
        slow.wait_for_requests(number).await;
        if number == 3 {
            client.read_some().await;
        }
        drop(client);
        eventually("a line in the log about the request", async || {
            !proxy.log_lines_with(&format!("/gone-{number}")).is_empty()
        })
        .await;
        let status = first(&proxy).await;
        expect(
            is("in", &status) && status["failures"] == 1,
            format!("one failure to be counted, but /status says {status}"),
        )
        .usually(ONLY_ITS_OWN);
        send(1, &proxy).await;
    }

    send(4, &proxy).await;
    expect_first_out(&proxy).await;
}

#[tokio::test]
async fn an_upload_that_the_client_does_not_finish_is_not_the_upstreams_fault() {
    let (failing, other) = (
        Upstream::always(Reply::text(503, "text")).await,
        Upstream::echo().await,
    );
    let proxy = strict().in_front_of_all([&failing, &other]).await;

    let mut stuck = proxy.connect().await;
    stuck
        .send("POST /stuck HTTP/1.1\r\nHost: edge.example\r\nContent-Length: 10\r\n\r\nhello")
        .await;
    proxy.wait_for_log("/stuck").await;

    let status = first(&proxy).await;
    expect(
        status["failures"] == 0,
        format!("no failure to be counted, but /status says {status}"),
    )
    .usually("a read time-out before ctx.sent is the client's: the upstream waits as we do");
    send(6, &proxy).await;
    failing.expect_requests(3);
}

#[tokio::test]
async fn after_the_cool_down_it_is_in_again_and_the_count_begins_anew() {
    let replies = [503, 503, 503, 200].map(|status| Reply::text(status, "text"));
    let (failing, other) = (Upstream::script(replies).await, Upstream::echo().await);
    let proxy = strict()
        .env("COOL_DOWN_MS", "100")
        .env("COOL_DOWN_MAX_MS", "3600000")
        .in_front_of_all([&failing, &other])
        .await;

    // They take turns, so the first fails twice. That it is out may be over before anybody looks.
    send(3, &proxy).await;
    expect_ejections(1, &proxy).await;
    until_first_is_in(&proxy).await;
    send(6, &proxy).await;

    failing
        .expect_requests(5)
        .usually("one failure after the return is not two in a row: failures begins at 0 again");
    expect_ejections(1, &proxy).await;
}

#[tokio::test]
async fn it_is_out_for_its_whole_cool_down() {
    let (failing, other) = (Upstream::refusing().await, Upstream::echo().await);
    let proxy = strict()
        .env("COOL_DOWN_MS", "200")
        .in_front_of_all([&failing, &other])
        .await;

    // A busy machine makes this longer, never shorter.
    let begin = Instant::now();
    send(3, &proxy).await;
    expect_ejections(1, &proxy).await;
    until_first_is_in(&proxy).await;

    expect(
        begin.elapsed() >= Duration::from_millis(200),
        "the first upstream to be out for 200 ms at least",
    )
    .usually("look() ends a cool-down when since is as long ago as cool_down says");
}

async fn expect_ejections(count: u64, proxy: &Proxy) {
    // The verdict on a request may come a moment after its answer.
    soon("/status to count the ejections of the first", async || {
        first(proxy).await.get("ejections") == Some(&count.into())
    })
    .usually("failed() decides: at policy.failures in a row the backend gets a cool_down, and self.ejections counts it")
    .await;
}

#[tokio::test]
async fn each_cool_down_is_twice_as_long_up_to_the_longest() {
    let (failing, other) = (Upstream::refusing().await, Upstream::echo().await);
    let proxy = strict()
        .env("COOL_DOWN_MS", "30")
        .env("COOL_DOWN_MAX_MS", "400")
        .in_front_of_all([&failing, &other])
        .await;

    // Nobody need see each of them: the last one comes again and again.
    let mut ejections = 0;
    while ejections < 5 {
        let status = fail_first(&proxy).await;
        ejections = status["ejections"].as_u64().unwrap_or_default();
        let wanted = [0, 30, 60, 120, 240]
            .get(ejections as usize)
            .unwrap_or(&400);
        expect(
            ejections > 0 && status["cool_down_ms"] == *wanted,
            format!(
                "cool-downs of 30, 60, 120, 240, 400 ms for ejections 1 to 5, but /status says {status}"
            ),
        )
        .usually("self.ejections says how often to double; it stays when the backend returns");
        if ejections < 5 {
            until_first_is_in(&proxy).await;
        }
    }
}

#[tokio::test]
async fn who_stayed_in_for_long_begins_with_the_first_cool_down() {
    let (failing, other) = (Upstream::refusing().await, Upstream::echo().await);
    let proxy = strict()
        .env("COOL_DOWN_MS", "150")
        .env("FORGET_MS", "1")
        .in_front_of_all([&failing, &other])
        .await;

    for _ in 0..3 {
        let status = fail_first(&proxy).await;
        expect(
            status["cool_down_ms"] == 150,
            format!("a cool-down of 150 ms, but /status says {status}"),
        )
        .usually(
            "what was long ago says little: forget the ejections of who is in for policy.forget",
        );
        eventually("/status says that the first is in for 5 ms", async || {
            let status = first(&proxy).await;
            is("in", &status) && status["since_ms"].as_u64() >= Some(5)
        })
        .await;
    }
}

/// Sends requests until the first upstream, which fails, is out, and gives what `/status` says then.
async fn fail_first(proxy: &Proxy) -> Value {
    for _ in 0..40 {
        send(1, proxy).await;
        let status = first(proxy).await;
        if is("out", &status) {
            return status;
        }
    }
    expect_first_out(proxy).await;
    Value::Null
}

#[tokio::test]
async fn the_last_one_stays_in_whatever_it_does() {
    let failing = Upstream::always(Reply::text(503, "text")).await;
    let last = Upstream::always(Reply::text(503, "text")).await;
    let proxy = strict().in_front_of_all([&failing, &last]).await;

    send(20, &proxy).await;

    failing.expect_requests(2);
    last.expect_requests(18)
        .usually("a bad answer is better than none: `last` says that no other one is in");
}

#[tokio::test]
async fn failures_that_come_late_do_not_prolong_it() {
    let (failing, other) = (
        Upstream::always(Reply::text(503, "text").gate()).await,
        Upstream::echo().await,
    );
    let third = Upstream::echo().await;
    let proxy = strict().in_front_of_all([&failing, &other, &third]).await;

    let requests: Vec<_> = (0..18)
        .map(|_| tokio::spawn(proxy.get("/").send()))
        .collect();
    failing.wait_for_requests(6).await;
    (0..6).for_each(|_| failing.release());
    for request in requests {
        request.await.unwrap();
    }

    expect_first_out(&proxy).await;
    let status = first(&proxy).await;
    expect(
        status["cool_down_ms"] == 3_600_000 && status["ejections"] == 1,
        format!("one ejection for 3600000 ms, but /status says {status}"),
    )
    .usually("six requests were under way: two eject, and the other four find it out already");
}

#[tokio::test]
async fn the_status_says_since_when_and_why() {
    let (failing, other) = (
        Upstream::always(Reply::text(503, "text")).await,
        Upstream::echo().await,
    );
    let proxy = strict().in_front_of_all([&failing, &other]).await;
    eventually("both are in for 20 ms", async || {
        first(&proxy).await["since_ms"].as_u64() >= Some(20)
    })
    .await;

    send(8, &proxy).await;
    expect_first_out(&proxy).await;

    let all = proxy.get("/status").send().await.json();
    let (failed, still_in) = (&all["backends"][0], &all["backends"][1]);
    expect(
        failed["since_ms"].as_u64() < still_in["since_ms"].as_u64(),
        format!("the first to be out for less long than the other is in, but /status says {all}"),
    )
    .usually("since is when the state began, not when the program did");
    expect(
        failed["why"]
            .as_str()
            .is_some_and(|why| why.contains("503")),
        format!("a reason with the status 503, but /status says {failed}"),
    );
}

mod given {
    use super::*;

    #[tokio::test]
    async fn upstreams_that_answer_take_turns() {
        let (one, two) = (Upstream::echo().await, Upstream::echo().await);
        let proxy = strict().in_front_of_all([&one, &two]).await;

        send(10, &proxy).await;

        one.expect_requests(5);
        two.expect_requests(5);
    }

    #[tokio::test]
    async fn at_the_start_all_are_in() {
        let (one, two) = (Upstream::refusing().await, Upstream::echo().await);
        let proxy = strict().in_front_of_all([&one, &two]).await;

        let status = proxy.get("/status").send().await;

        status.expect_json("/backends/0/state", "in");
        status.expect_json("/backends/1/state", "in");
    }

    #[tokio::test]
    async fn a_number_that_is_none_is_refused() {
        let ended = Proxy::of(EXERCISE)
            .env("COOL_DOWN_MS", "soon")
            .run_to_end()
            .await;

        ended.expect_code(2);
        ended.expect_stderr_contains("COOL_DOWN_MS");
    }
}
