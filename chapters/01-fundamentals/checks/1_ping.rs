//! 1.1 `/ping` is answered by the proxy itself, completely, and the connection stays open.

use lab::{Proxy, Upstream};

const EXERCISE: &str = "1-1";

#[tokio::test]
async fn ping_is_answered_with_pong() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    let answer = proxy.get("/ping").send().await;

    answer.expect_status(200);
    answer
        .expect_body("pong")
        .usually("Ok(false) sends the request on to the upstream although you have answered: Ok(true) ends it here");
}

#[tokio::test]
async fn the_upstream_sees_nothing_of_it() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    proxy.get("/ping").send().await;

    upstream.expect_no_request().usually(
        "request_filter says Ok(true) when it has answered, Ok(false) when the upstream shall",
    );
}

#[tokio::test]
async fn the_connection_stays_open_for_the_next_request() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    let client = proxy.client().await;

    client.get("/ping").send().await.expect_body("pong");
    client.get("/ping").send().await.expect_body("pong").usually(
        "an answer without Content-Length ends when the connection does, so the connection cannot be used again",
    );
    client.expect_open().await;
}

#[tokio::test]
async fn a_query_does_not_matter() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    proxy
        .get("/ping?from=monitor")
        .send()
        .await
        .expect_body("pong")
        .usually("uri.path() leaves the query out; the whole target has it");
}

mod given {
    use super::*;

    #[tokio::test]
    async fn other_paths_are_forwarded() {
        let upstream = Upstream::echo().await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

        for path in ["/pingpong", "/ping/", "/PING", "/a/ping"] {
            proxy.get(path).send().await.expect_status(200);
            upstream.last_request().expect_target(path);
        }
    }
}
