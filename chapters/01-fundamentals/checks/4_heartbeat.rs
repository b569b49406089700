//! 1.4 The heartbeat is a service: it stops at once, and in order, when the server does.

use lab::{Proxy, Signal, Upstream, expect};

const EXERCISE: &str = "1-4";

const NOT_A_SERVICE: &str = "a thread of its own hears nothing of the shutdown; a background service is handed a ShutdownWatch";

#[tokio::test]
async fn it_says_so_when_it_stops() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE)
        .env("HEARTBEAT_MS", "20")
        .in_front_of(&upstream)
        .await;
    proxy.wait_for_log("heartbeat 3:").await;

    proxy.signal(Signal::SIGTERM);
    proxy.wait_for_exit().await.expect_code(0);

    proxy
        .expect_log_with("heartbeat stopped after ")
        .usually(NOT_A_SERVICE);
}

#[tokio::test]
async fn no_beat_follows_the_stop() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE)
        .env("HEARTBEAT_MS", "20")
        .in_front_of(&upstream)
        .await;
    proxy.wait_for_log("heartbeat 3:").await;

    proxy.signal(Signal::SIGTERM);
    proxy.wait_for_exit().await.expect_code(0);

    let lines = proxy.log_lines_with("] heartbeat ");
    let beats = lines.len() - 1;
    let last = lines.last().cloned().unwrap_or_default();
    expect(
        last.ends_with(&format!("heartbeat stopped after {beats} beats")),
        format!(
            "the last of the {} heartbeat lines to say: heartbeat stopped after {beats} beats",
            lines.len()
        ),
    )
    .usually(NOT_A_SERVICE);
}

#[tokio::test]
async fn it_does_not_sleep_until_the_next_beat() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE)
        .env("HEARTBEAT_MS", "3600000")
        .in_front_of(&upstream)
        .await;

    proxy.signal(Signal::SIGTERM);
    proxy.wait_for_exit().await.expect_code(0);

    proxy
        .expect_log_with("heartbeat stopped after 0 beats")
        .usually("tokio::select! waits for the next tick and for shutdown.changed(), whichever comes first");
}

mod given {
    use super::*;

    #[tokio::test]
    async fn the_heart_beats() {
        let upstream = Upstream::echo().await;
        let proxy = Proxy::of(EXERCISE)
            .env("HEARTBEAT_MS", "20")
            .in_front_of(&upstream)
            .await;

        proxy.wait_for_log("heartbeat 1:").await;
        proxy.wait_for_log("heartbeat 2:").await;
    }

    #[tokio::test]
    async fn answers_carry_the_clock() {
        let upstream = Upstream::echo().await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

        let answer = proxy.get("/").send().await;

        answer.expect_header("x-beats", "0");
        answer.expect_header_where("x-uptime-ms", "a number", |value| {
            value.parse::<u64>().is_ok()
        });
    }

    #[tokio::test]
    async fn an_interval_that_is_no_number_is_refused() {
        let ended = Proxy::of(EXERCISE)
            .env("HEARTBEAT_MS", "soon")
            .run_to_end()
            .await;

        ended.expect_code(2);
        ended.expect_stderr_contains("HEARTBEAT_MS");
    }
}
