//! 5.1 A backend that takes no connection is left out until it does again, and no request notices.

use lab::{Proxy, ProxyBuilder, Upstream, soon};

const EXERCISE: &str = "5-1";

const ONCE: &str =
    "with health_check_frequency None one round runs at the start, and never another";
const IN_TURN: &str = "unless parallel_health_check is set, a backend is checked when the one before it has answered or the time is up";

fn checked_every_20_ms() -> ProxyBuilder {
    Proxy::of(EXERCISE)
        .env("HEALTH_INTERVAL_MS", 20)
        .env("CHECK_TIMEOUT_MS", 100)
}

/// Whether four requests in a row go to this backend at the first try. They take turns, so there is no other.
async fn has_all_requests(proxy: &Proxy, upstream: &Upstream) -> bool {
    for _ in 0..4 {
        let answer = proxy.get("/").send().await;
        let tries = answer.header("x-tries") == Some("1");
        let here = answer.header("x-upstream") == Some(&upstream.address().to_string());
        if !(tries && here) {
            return false;
        }
    }
    true
}

/// Waits until a check of this backend is over: it has connected, and hung up.
async fn checked(upstream: &Upstream) {
    soon("a check", async || {
        upstream.connections() > 0 && upstream.open_connections() == 0
    })
    .await;
}

/// A backend that would be checked after `first` if they took turns: in the order of addresses.
async fn after(first: &Upstream) -> Upstream {
    loop {
        let upstream = Upstream::echo().await;
        if upstream.address() > first.address() {
            return upstream;
        }
    }
}

#[tokio::test]
async fn backends_are_checked_again_and_again() {
    let upstreams = [Upstream::echo().await, Upstream::echo().await];
    let _proxy = checked_every_20_ms()
        .env("CHECK_TIMEOUT_MS", 3_600_000)
        .in_front_of_all(&upstreams)
        .await;

    soon("three checks of each backend", async || {
        upstreams.iter().all(|upstream| upstream.connections() >= 3)
    })
    .usually(ONCE)
    .await;
}

#[tokio::test]
async fn a_killed_backend_leaves() {
    let [up, killed] = [Upstream::echo().await, Upstream::echo().await];
    let proxy = checked_every_20_ms().in_front_of_all([&up, &killed]).await;
    checked(&killed).await;

    killed.refuse().await;

    soon("no request tries the killed backend first", async || {
        has_all_requests(&proxy, &up).await
    })
    .usually(ONCE)
    .await;
}

#[tokio::test]
async fn a_killed_backend_comes_back() {
    let [up, killed] = [Upstream::echo().await, Upstream::refusing().await];
    let proxy = checked_every_20_ms().in_front_of_all([&up, &killed]).await;
    soon("no request tries the killed backend first", async || {
        has_all_requests(&proxy, &up).await
    })
    .await;

    killed.accept().await;

    soon("a request for the backend that is back", async || {
        proxy.get("/").send().await.expect_status(200);
        !killed.requests().is_empty()
    })
    .usually(ONCE)
    .await;
}

#[tokio::test]
async fn when_all_are_down_the_answer_is_503() {
    let upstreams = [Upstream::echo().await, Upstream::echo().await];
    let proxy = checked_every_20_ms().in_front_of_all(&upstreams).await;
    for upstream in &upstreams {
        checked(upstream).await;
        upstream.refuse().await;
    }

    soon("503: nobody is up", async || {
        proxy.get("/").send().await.status == 503
    })
    .usually(ONCE)
    .await;
}

#[tokio::test]
async fn a_backend_that_hangs_keeps_no_other_from_its_check() {
    let hangs = Upstream::unreachable().await;
    let after = after(&hangs).await;
    let _proxy = checked_every_20_ms()
        .env("CHECK_TIMEOUT_MS", 3_600_000)
        .in_front_of_all([&hangs, &after])
        .await;

    soon("a check of the other backend", async || {
        after.connections() > 0
    })
    .usually(IN_TURN)
    .await;
}

#[tokio::test]
async fn a_backend_that_hangs_is_given_up_in_time() {
    let [hangs, up] = [Upstream::unreachable().await, Upstream::echo().await];
    let _proxy = checked_every_20_ms().in_front_of_all([&hangs, &up]).await;

    // A round ends when the last check does: the next one shows that it has.
    soon("a fifth round", async || up.connections() >= 5)
        .usually("peer_template.options.connection_timeout is 1 s unless you set it, and the round lasts as long")
        .await;
}

#[tokio::test]
async fn until_the_next_check_no_request_fails() {
    let [up, killed] = [Upstream::echo().await, Upstream::echo().await];
    let proxy = checked_every_20_ms()
        .env("HEALTH_INTERVAL_MS", 3_600_000)
        .in_front_of_all([&up, &killed])
        .await;
    checked(&killed).await;

    killed.refuse().await;

    for method in ["GET", "POST", "GET", "POST"] {
        for _ in 0..2 {
            let answer = proxy.request(method, "/").send().await;
            answer.expect_status(200).usually(
                "fail_to_connect hands the error back: nothing is tried again unless you say so",
            );
        }
    }
    up.expect_requests(8);
}

mod given {
    use super::*;

    #[tokio::test]
    async fn a_backend_that_is_down_at_the_start_is_left_out() {
        let [up, down] = [Upstream::echo().await, Upstream::refusing().await];
        let proxy = checked_every_20_ms().in_front_of_all([&up, &down]).await;

        soon("no request tries the dead backend first", async || {
            has_all_requests(&proxy, &up).await
        })
        .await;
    }

    #[tokio::test]
    async fn a_setting_that_cannot_be_read_is_refused() {
        for variable in ["HEALTH_INTERVAL_MS", "CHECK_TIMEOUT_MS"] {
            let proxy = Proxy::of(EXERCISE).env(variable, "0");
            let ended = proxy.run_to_end().await;
            ended.expect_code(2);
            ended.expect_stderr_contains(variable);
        }
    }
}
