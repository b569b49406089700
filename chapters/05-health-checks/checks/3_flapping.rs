//! 5.3 A backend changes its state after enough checks in a row that say so, and each change is told once.

use lab::{Proxy, Reply, Upstream, soon};

const EXERCISE: &str = "5-3";

const ONES: &str = "consecutive_failure and consecutive_success are 1 unless you set them";
const TOLD: &str =
    "health_changed_callback hears of changes; a line for each check would hide them";

/// What a health endpoint says, probe by probe: `-` is 503 and `+` is 200. Each answer waits until the check lets it go.
async fn endpoint(verdicts: &str) -> Upstream {
    let replies = verdicts.chars().map(|verdict| match verdict {
        '+' => Reply::status(200).gate(),
        _ => Reply::status(503).gate(),
    });
    Upstream::script(replies).await
}

/// A proxy with one backend, whose health another port tells.
async fn start(fall: usize, rise: usize, endpoint: &Upstream, backend: &Upstream) -> Proxy {
    let proxy = Proxy::of(EXERCISE)
        .env("FALL", fall)
        .env("RISE", rise)
        .env("HEALTH_PORT", endpoint.address().port())
        .env("HEALTH_INTERVAL_MS", 1)
        .env("CHECK_TIMEOUT_MS", 60_000)
        .in_front_of(backend)
        .await;
    endpoint.wait_for_requests(1).await;
    proxy
}

/// Lets the next verdict go. When the probe after it is here, it has been counted.
async fn next_verdict(endpoint: &Upstream) {
    let probes = endpoint.requests().len();
    endpoint.release();
    endpoint.wait_for_requests(probes + 1).await;
}

#[tokio::test]
async fn as_many_failures_in_a_row_as_fall_says_take_it_out() {
    let backend = Upstream::echo().await;
    for fall in [2, 3] {
        let endpoint = endpoint("----").await;
        let proxy = start(fall, 4, &endpoint, &backend).await;

        for _ in 1..fall {
            next_verdict(&endpoint).await;
            proxy.get("/").send().await.expect_status(200).usually(ONES);
        }
        next_verdict(&endpoint).await;
        proxy
            .get("/")
            .send()
            .await
            .expect_status(503)
            .usually("consecutive_failure is for failures, consecutive_success for successes");
    }
}

#[tokio::test]
async fn as_many_successes_in_a_row_as_rise_says_bring_it_back() {
    let backend = Upstream::echo().await;
    for rise in [2, 3] {
        let endpoint = endpoint("-++++").await;
        let proxy = start(1, rise, &endpoint, &backend).await;

        for _ in 0..rise {
            next_verdict(&endpoint).await;
            proxy.get("/").send().await.expect_status(503).usually(ONES);
        }
        next_verdict(&endpoint).await;
        proxy.get("/").send().await.expect_status(200);
    }
}

#[tokio::test]
async fn a_backend_that_alternates_stays_in() {
    let backend = Upstream::echo().await;
    let endpoint = endpoint("-+-+-+-+-+").await;
    let proxy = start(2, 2, &endpoint, &backend).await;

    for _ in 0..10 {
        next_verdict(&endpoint).await;
        proxy
            .get("/")
            .send()
            .await
            .expect_status(200)
            .usually("failures count only if they follow each other");
    }
    proxy.expect_log_without(" is down").usually(TOLD);
    proxy.expect_log_without(" is up").usually(TOLD);
}

#[tokio::test]
async fn a_backend_that_is_out_and_alternates_stays_out() {
    let backend = Upstream::echo().await;
    let endpoint = endpoint("--+-+-+-++").await;
    let proxy = start(2, 2, &endpoint, &backend).await;
    next_verdict(&endpoint).await;
    next_verdict(&endpoint).await;

    for _ in 0..7 {
        proxy
            .get("/")
            .send()
            .await
            .expect_status(503)
            .usually("successes count only if they follow each other");
        next_verdict(&endpoint).await;
    }
    next_verdict(&endpoint).await;
    proxy.get("/").send().await.expect_status(200);
}

#[tokio::test]
async fn each_change_is_told_once() {
    let backend = Upstream::echo().await;
    let endpoint = endpoint("----++++---").await;
    let proxy = start(2, 3, &endpoint, &backend).await;

    for _ in 0..11 {
        next_verdict(&endpoint).await;
    }

    let told = || {
        let lines = proxy.log_lines_with(&format!("{} is ", backend.address()));
        let states = lines.iter().filter_map(|line| line.split(" is ").nth(1));
        states
            .map(|it| it.chars().take_while(|it| it.is_alphabetic()).collect())
            .collect::<Vec<String>>()
    };
    soon(
        "lines in the log for down, up and down, and no others",
        async || told() == ["down", "up", "down"],
    )
    .usually(TOLD)
    .await;
}

mod given {
    use super::*;

    #[tokio::test]
    async fn the_health_endpoint_is_on_its_own_port_and_path() {
        let backend = Upstream::echo().await;
        let endpoint = endpoint("+").await;
        let _proxy = start(1, 1, &endpoint, &backend).await;

        endpoint.last_request().expect_target("/health");
        backend.expect_no_request();
    }

    #[tokio::test]
    async fn with_both_thresholds_at_one_every_check_counts() {
        let backend = Upstream::echo().await;
        let endpoint = endpoint("-+").await;
        let proxy = start(1, 1, &endpoint, &backend).await;

        next_verdict(&endpoint).await;
        proxy.get("/").send().await.expect_status(503);
        next_verdict(&endpoint).await;
        proxy.get("/").send().await.expect_status(200);
    }

    #[tokio::test]
    async fn a_threshold_that_cannot_be_read_is_refused() {
        for (variable, value) in [("FALL", "0"), ("RISE", "twice"), ("HEALTH_PORT", "0")] {
            let ended = Proxy::of(EXERCISE).env(variable, value).run_to_end().await;
            ended.expect_code(2);
            ended.expect_stderr_contains(variable);
        }
    }
}
