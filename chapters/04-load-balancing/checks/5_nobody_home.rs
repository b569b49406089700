//! 4.5 While every backend is down the proxy says so, and when to come again; when one is back it goes on by itself.

use lab::{Proxy, Reply, Response, Upstream};
use std::time::Duration;
use tokio::time::sleep;

const EXERCISE: &str = "4-5";

const NOT_RUN: &str = "health checks run only if the LoadBalancer itself is added to the server, as a background service";
const STATUS: &str =
    "select returns None when all are down: an error of type HTTPStatus(503) is answered with 503";

async fn start<'a>(upstreams: impl IntoIterator<Item = &'a Upstream>) -> Proxy {
    Proxy::of(EXERCISE)
        .env("HEALTH_INTERVAL_MS", 20)
        .in_front_of_all(upstreams)
        .await
}

/// A common mistake never gets there, so a check gives up after so many tries. Each takes 5 ms at least, a quarter of
/// the interval, and longer where the machine is slow.
const TRIES: usize = 150;

/// Asks until the answer has this status, which takes a health check. Returns the last answer.
async fn ask_until(proxy: &Proxy, status: u16) -> Response {
    let mut answer = proxy.get("/").send().await;
    for _ in 0..TRIES {
        if answer.status == status {
            break;
        }
        sleep(Duration::from_millis(5)).await;
        answer = proxy.get("/").send().await;
    }
    answer
}

#[tokio::test]
async fn nobody_up_is_503() {
    let upstream = Upstream::refusing().await;
    let proxy = start([&upstream]).await;

    let answer = ask_until(&proxy, 503).await;

    answer.expect_status(503).usually(NOT_RUN);
    proxy
        .get("/")
        .send()
        .await
        .expect_status(503)
        .usually(STATUS);
    proxy
        .expect_log_without("panicked")
        .usually("None is an answer of select: a request that unwraps it is a panic, and the client hears nothing");
}

#[tokio::test]
async fn it_says_when_to_come_again() {
    let upstream = Upstream::refusing().await;
    // A number that nobody would choose for the seconds.
    let proxy = Proxy::of(EXERCISE)
        .env("HEALTH_INTERVAL_MS", 37)
        .in_front_of(&upstream)
        .await;

    let answer = ask_until(&proxy, 503).await;

    answer.expect_status(503).usually(NOT_RUN);
    answer
        .expect_header_where("retry-after", "a number of seconds above 0", |value| {
            value.parse().is_ok_and(|seconds: u32| seconds > 0 && seconds != 37)
        })
        .usually("Retry-After is in whole seconds, not in milliseconds, and 0 is an invitation to a storm");
}

#[tokio::test]
async fn it_says_so_in_json() {
    let upstream = Upstream::refusing().await;
    let proxy = start([&upstream]).await;

    let answer = ask_until(&proxy, 503).await;

    answer.expect_status(503).usually(NOT_RUN);
    answer
        .expect_header_where("content-type", "application/json", |value| {
            value.split(';').next() == Some("application/json")
        })
        .usually("write_error_response sends the header as you made it: a body in JSON needs its type there");
    answer.expect_json("/status", 503);
}

#[tokio::test]
async fn it_goes_on_when_a_backend_is_back_and_stops_again() {
    let upstream = Upstream::echo().await;
    let proxy = start([&upstream]).await;
    proxy.get("/").send().await.expect_status(200);

    for _ in 0..2 {
        upstream.refuse().await;
        let answer = ask_until(&proxy, 503).await;
        answer.expect_status(503).usually(NOT_RUN);

        upstream.accept().await;
        let answer = ask_until(&proxy, 200).await;
        answer.expect_status(200).usually(
            "with health_check_frequency None one round runs at the start, and never another",
        );
    }
}

#[tokio::test]
async fn who_is_down_gets_no_requests() {
    let [down, up] = [Upstream::refusing().await, Upstream::echo().await];
    let proxy = start([&down, &up]).await;

    // They take turns: two good answers in a row mean that the one that refuses is left out.
    let mut in_a_row = 0;
    for _ in 0..TRIES {
        let good = proxy.get("/").send().await.status == 200;
        in_a_row = if good { in_a_row + 1 } else { 0 };
        if in_a_row == 2 {
            break;
        }
        sleep(Duration::from_millis(5)).await;
    }

    for _ in 0..10 {
        proxy
            .get("/")
            .send()
            .await
            .expect_status(200)
            .usually(NOT_RUN);
    }
}

#[tokio::test]
async fn an_answer_to_head_has_no_body() {
    let upstream = Upstream::refusing().await;
    let proxy = start([&upstream]).await;
    ask_until(&proxy, 503)
        .await
        .expect_status(503)
        .usually(NOT_RUN);

    let mut wire = proxy.connect().await;
    wire.send("HEAD / HTTP/1.1\r\nHost: edge.example\r\nConnection: close\r\n\r\n")
        .await;
    let answer = String::from_utf8_lossy(&wire.read_to_end().await).to_ascii_lowercase();

    let bare = answer.starts_with("http/1.1 503") && answer.ends_with("\r\n\r\n");
    proxy
        .expect(
            bare && answer.contains("\r\nretry-after:"),
            format!("503 with Retry-After and nothing after the header, but it was {answer:?}"),
        )
        .usually("write_error_response knows what HEAD is");
}

mod given {
    use super::*;

    #[tokio::test]
    async fn who_is_up_is_asked() {
        let upstream = Upstream::echo().await;
        let proxy = start([&upstream]).await;

        proxy.get("/a?b").send().await.expect_status(200);
        upstream.last_request().expect_target("/a?b");
    }

    #[tokio::test]
    async fn a_503_of_the_backend_stays_as_it_is() {
        let upstream = Upstream::always(Reply::text(503, "my own")).await;
        let proxy = start([&upstream]).await;

        let answer = proxy.get("/").send().await;

        answer.expect_status(503).expect_body("my own");
        answer.expect_no_header("retry-after");
    }

    #[tokio::test]
    async fn a_backend_that_is_up_and_breaks_is_502() {
        let upstream = Upstream::always(Reply::close()).await;
        let proxy = start([&upstream]).await;

        let answer = proxy.get("/").send().await;

        answer.expect_status(502);
        answer
            .expect_no_header("retry-after")
            .usually("nobody knows when this gets better: only the 503 has a time");
    }

    #[tokio::test]
    async fn an_interval_that_cannot_be_read_is_refused() {
        for wrong in ["0", "soon"] {
            let ended = Proxy::of(EXERCISE)
                .env("HEALTH_INTERVAL_MS", wrong)
                .run_to_end()
                .await;
            ended.expect_code(2);
            ended.expect_stderr_contains("HEALTH_INTERVAL_MS");
        }
    }
}
