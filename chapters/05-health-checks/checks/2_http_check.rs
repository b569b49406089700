//! 5.2 A backend is up if it answers the check with 200 and JSON whose "status" is "ok", not too long and in time.

use lab::{Proxy, ProxyBuilder, Reply, Upstream, soon};
use std::time::Duration;

const EXERCISE: &str = "5-2";

const OK: &str = r#"{"status":"ok"}"#;

const BODY: &str =
    "a status code says that a server answers; whether it is well stands in the body";
const WHOLE: &str = "read_response_body returns a piece, and None at the end: read on until then";
const LIMIT: &str = "a check holds what it reads in memory: count before you keep";
const TIME: &str =
    "a limit for each read is kept by who sends a byte now and then: put one around the whole";

fn checked_every_20_ms() -> ProxyBuilder {
    Proxy::of(EXERCISE)
        .env("HEALTH_INTERVAL_MS", 20)
        .env("CHECK_TIMEOUT_MS", 60_000)
}

/// Waits until a check has come to an end: a second one follows. Before that, send nothing else.
async fn checked(upstreams: impl IntoIterator<Item = &Upstream>) {
    for upstream in upstreams {
        soon("a second check", async || upstream.requests().len() >= 2)
            .usually(TIME)
            .await;
    }
}

fn padded(length: usize) -> String {
    let frame = r#"{"status":"ok","padding":""}"#.len();
    let padding = "x".repeat(length - frame);
    format!(r#"{{"status":"ok","padding":"{padding}"}}"#)
}

#[tokio::test]
async fn a_backend_that_says_it_is_not_well_is_out() {
    let backend = Upstream::always(Reply::json(200, r#"{"status":"draining"}"#)).await;
    let proxy = checked_every_20_ms().in_front_of(&backend).await;
    checked([&backend]).await;

    proxy.get("/").send().await.expect_status(503).usually(BODY);
}

#[tokio::test]
async fn what_is_not_a_report_is_not_health() {
    let bodies = [
        "",
        "ok",
        r#""ok""#,
        "{}",
        r#"{"state":"ok"}"#,
        r#"{"status":"not ok"}"#,
        r#"{"status":"OK"}"#,
        r#"{"status":["ok"]}"#,
        r#"{"error":"\"status\":\"ok\""}"#,
        r#"{"database":{"status":"ok"}}"#,
        r#"{"status":"ok""#,
    ];
    let mut backends = Vec::new();
    for body in bodies {
        backends.push(Upstream::always(Reply::json(200, body)).await);
    }
    let proxy = checked_every_20_ms().in_front_of_all(&backends).await;
    checked(&backends).await;

    proxy
        .get("/")
        .send()
        .await
        .expect_status(503)
        .usually("parse the body and look at the one field; a text may contain anything");
}

#[tokio::test]
async fn a_body_in_pieces_is_read_to_its_end() {
    let in_bytes = |body: &str| {
        Reply::json(200, body)
            .chunked()
            .drip(Duration::from_millis(1))
    };
    let well = Upstream::always(in_bytes(OK)).await;
    let garbage = Upstream::always(in_bytes(r#"{"status":"ok"} or not"#)).await;
    let proxy = checked_every_20_ms()
        .in_front_of_all([&well, &garbage])
        .await;
    checked([&well, &garbage]).await;

    for _ in 0..4 {
        proxy
            .get("/")
            .send()
            .await
            .expect_header("x-upstream", well.address().to_string())
            .usually(WHOLE);
    }
}

#[tokio::test]
async fn a_report_may_have_64_kib_and_no_more() {
    let long = Upstream::always(Reply::json(200, padded(64 * 1024))).await;
    let too_long = Upstream::always(Reply::json(200, padded(64 * 1024 + 1))).await;
    let proxy = checked_every_20_ms()
        .in_front_of_all([&long, &too_long])
        .await;
    checked([&long, &too_long]).await;

    for _ in 0..4 {
        proxy
            .get("/")
            .send()
            .await
            .expect_header("x-upstream", long.address().to_string())
            .usually(LIMIT);
    }
}

#[tokio::test]
async fn the_time_is_for_the_whole_check() {
    // A byte every 20 ms, for 20 s.
    let drips = Reply::json(200, padded(1000)).drip(Duration::from_millis(20));
    let backend = Upstream::always(drips).await;
    let proxy = checked_every_20_ms()
        .env("CHECK_TIMEOUT_MS", 200)
        .in_front_of(&backend)
        .await;
    checked([&backend]).await;

    let answer = proxy.get("/").must_be_answered().await;

    answer.expect_status(503).usually(TIME);
}

#[tokio::test]
async fn silence_is_not_health() {
    let backend = Upstream::silent().await;
    let proxy = checked_every_20_ms()
        .env("CHECK_TIMEOUT_MS", 100)
        .in_front_of(&backend)
        .await;
    checked([&backend]).await;

    let answer = proxy.get("/").must_be_answered().await;

    answer.expect_status(503).usually(TIME);
}

#[tokio::test]
async fn health_may_be_on_another_port() {
    let backend = Upstream::echo().await;
    let health = Upstream::always(Reply::json(200, r#"{"status":"draining"}"#)).await;
    let proxy = checked_every_20_ms()
        .env("HEALTH_PORT", health.address().port())
        .in_front_of(&backend)
        .await;

    soon("a second check", async || {
        backend
            .expect_no_request()
            .usually("HEALTH_PORT is for the check, the backend's own port for requests");
        health.requests().len() >= 2
    })
    .await;

    proxy.get("/").send().await.expect_status(503).usually(BODY);
    health
        .last_request()
        .expect_header("host", health.address().to_string());
}

#[tokio::test]
async fn it_comes_back_when_it_says_so() {
    let health = Upstream::script([
        Reply::json(200, r#"{"status":"draining"}"#),
        Reply::json(200, OK).gate(),
        Reply::json(200, OK),
    ])
    .await;
    let backend = Upstream::echo().await;
    let proxy = checked_every_20_ms()
        .env("HEALTH_PORT", health.address().port())
        .in_front_of(&backend)
        .await;
    checked([&health]).await;
    proxy.get("/").send().await.expect_status(503).usually(BODY);

    health.release();

    health.wait_for_requests(3).await;
    proxy.get("/").send().await.expect_status(200);
}

mod given {
    use super::*;

    #[tokio::test]
    async fn a_backend_that_is_well_is_in() {
        let report = r#"{"version":7,"status":"ok","checks":{"database":"ok"}}"#;
        let backend = Upstream::always(Reply::json(200, report)).await;
        let proxy = checked_every_20_ms().in_front_of(&backend).await;
        checked([&backend]).await;

        proxy.get("/").send().await.expect_body(report);
    }

    #[tokio::test]
    async fn another_status_than_200_is_not_health_whatever_the_body_says() {
        let mut backends = Vec::new();
        for status in [503, 500, 404, 302, 206, 201] {
            backends.push(Upstream::always(Reply::json(status, OK)).await);
        }
        let proxy = checked_every_20_ms().in_front_of_all(&backends).await;
        checked(&backends).await;

        let answer = proxy.get("/").send().await;

        answer
            .expect_no_header("x-upstream")
            .usually("who accepts a connection need not be able to serve a request");
        answer.expect_status(503);
    }

    #[tokio::test]
    async fn a_backend_that_refuses_is_out() {
        let backend = Upstream::refusing().await;
        let proxy = checked_every_20_ms().in_front_of(&backend).await;

        soon("503: nobody is up", async || {
            proxy.get("/").send().await.status == 503
        })
        .await;
    }

    #[tokio::test]
    async fn the_path_is_a_setting() {
        let backend = Upstream::always(Reply::json(200, OK)).await;
        let _proxy = checked_every_20_ms()
            .env("HEALTH_PATH", "/live?deep=1")
            .in_front_of(&backend)
            .await;
        checked([&backend]).await;

        let check = backend.last_request();
        check.expect_method("GET").expect_target("/live?deep=1");
        check.expect_header("host", backend.address().to_string());
    }

    #[tokio::test]
    async fn a_setting_that_cannot_be_read_is_refused() {
        let wrong = [
            ("HEALTH_PATH", "health"),
            ("HEALTH_PORT", "80000"),
            ("CHECK_TIMEOUT_MS", "0"),
            ("HEALTH_INTERVAL_MS", "often"),
        ];
        for (variable, value) in wrong {
            let ended = Proxy::of(EXERCISE).env(variable, value).run_to_end().await;
            ended.expect_code(2);
            ended.expect_stderr_contains(variable);
        }
    }
}
