//! 5.4 `/readyz` says 503 until every backend was checked once, and 200 from then on.

use lab::{Proxy, ProxyBuilder, Reply, Response, Upstream, soon};

const EXERCISE: &str = "5-4";

const BEFORE: &str = "a LoadBalancer with backends of its own is ready when it knows its backends, before it has checked one (pingora-load-balancing, background.rs)";

const BEFORE_OR_TWICE: &str = "a LoadBalancer is ready before it has checked a backend (pingora-load-balancing, background.rs); or it checks beside another service of yours, and the second check was answered first";

const TWICE: &str = "one check was answered, and a second one of the same backend still waits: a LoadBalancer that has a check of its own makes it when it starts, also without a health_check_frequency";

/// The check's answers come when a test lets them.
fn patient() -> ProxyBuilder {
    Proxy::of(EXERCISE)
        .env("HEALTH_INTERVAL_MS", 20)
        .env("CHECK_TIMEOUT_MS", 60_000)
}

/// Asks often: what turns true too early does so within a moment.
async fn stays_unready(proxy: &Proxy) -> Response {
    let mut answer = proxy.get("/readyz").send().await;
    for _ in 0..50 {
        if answer.status != 503 {
            break;
        }
        answer = proxy.get("/readyz").send().await;
    }
    answer
}

async fn is_ready(proxy: &Proxy) -> bool {
    proxy.get("/readyz").send().await.status == 200
}

#[tokio::test]
async fn while_the_first_check_runs_it_is_not_ready() {
    let upstream = Upstream::always(Reply::status(200).gate()).await;
    let proxy = patient().in_front_of(&upstream).await;
    soon("a check", async || !upstream.requests().is_empty()).await;

    stays_unready(&proxy)
        .await
        .expect_status(503)
        .usually(BEFORE);
    upstream.release();

    soon("200 after the first round", async || is_ready(&proxy).await)
        .usually(TWICE)
        .await;
}

#[tokio::test]
async fn the_last_backend_counts_too() {
    let quick = Upstream::always(Reply::status(200)).await;
    let slow = Upstream::always(Reply::status(200).gate()).await;
    let proxy = patient().in_front_of_all([&quick, &slow]).await;
    for upstream in [&quick, &slow] {
        soon("a check", async || !upstream.requests().is_empty()).await;
    }

    stays_unready(&proxy)
        .await
        .expect_status(503)
        .usually(BEFORE);
    slow.release();

    soon("200 after the first round", async || is_ready(&proxy).await)
        .usually(TWICE)
        .await;
}

#[tokio::test]
async fn once_ready_it_stays_ready() {
    let upstream = Upstream::script([
        Reply::status(503).gate(),
        Reply::status(503),
        Reply::status(503),
        Reply::status(200).gate(),
    ])
    .await;
    let proxy = patient().in_front_of(&upstream).await;
    soon("a check", async || !upstream.requests().is_empty()).await;
    stays_unready(&proxy)
        .await
        .expect_status(503)
        .usually(BEFORE_OR_TWICE);

    upstream.release();
    // The fourth check runs, so the third was counted.
    soon("a fourth check", async || upstream.requests().len() >= 4)
        .usually("HealthCheckService has a health_check_frequency of its own, which is None")
        .await;

    proxy.get("/").send().await.expect_status(503);
    proxy
        .get("/readyz")
        .send()
        .await
        .expect_status(200)
        .usually("ready means that backends were checked, not that one is up");
}

mod given {
    use super::*;

    #[tokio::test]
    async fn a_proxy_that_does_not_know_its_backends_yet_is_not_ready() {
        let upstream = Upstream::echo().await;
        let proxy = patient()
            .env("DISCOVERY_MS", 3_600_000)
            .in_front_of(&upstream)
            .await;

        stays_unready(&proxy)
            .await
            .expect_status(503)
            .usually("a round over no backends is done at once, and HealthCheckService calls it the first: let it depend on the service that finds them");
    }

    #[tokio::test]
    async fn a_backend_that_never_answers_does_not_keep_it_unready() {
        let upstream = Upstream::silent().await;
        let proxy = patient()
            .env("CHECK_TIMEOUT_MS", 100)
            .in_front_of(&upstream)
            .await;

        soon("200 after the time is up", async || is_ready(&proxy).await).await;
    }

    #[tokio::test]
    async fn checks_go_on_and_requests_pass() {
        let upstream = Upstream::echo().await;
        let proxy = patient().in_front_of(&upstream).await;

        upstream.wait_for_requests(3).await;
        proxy.get("/a?b").send().await.expect_status(200);
    }

    #[tokio::test]
    async fn other_paths_go_to_the_backend() {
        let upstream = Upstream::echo().await;
        let proxy = patient().in_front_of(&upstream).await;
        soon("200 after the first round", async || is_ready(&proxy).await).await;

        for path in ["/", "/readyz/", "/readyzzz"] {
            let answer = proxy.get(path).send().await;
            answer.expect_status(200).expect_json("/target", path);
        }
    }

    #[tokio::test]
    async fn a_setting_that_cannot_be_read_is_refused() {
        for variable in ["HEALTH_INTERVAL_MS", "CHECK_TIMEOUT_MS", "DISCOVERY_MS"] {
            let proxy = Proxy::of(EXERCISE).env(variable, "soon");
            let ended = proxy.run_to_end().await;
            ended.expect_code(2);
            ended.expect_stderr_contains(variable);
        }
    }
}
