//! 1.2 `x-trace` tells the phases of this request, and of no other.

use lab::{Proxy, Reply, Upstream};

const EXERCISE: &str = "1-2";

const ANSWERED: [&str; 5] = [
    "request_filter",
    "upstream_peer",
    "connected_to_upstream",
    "upstream_request_filter",
    "response_filter",
];

const FAILED: [&str; 4] = [
    "request_filter",
    "upstream_peer",
    "fail_to_connect",
    "fail_to_proxy",
];

const ONE_EACH: &str = "what stands in the proxy's struct is shared by all requests; what stands in CTX belongs to one";

#[tokio::test]
async fn the_second_request_starts_afresh() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    // On one connection, so what belongs to the connection cannot pass for what belongs to the request.
    let client = proxy.client().await;
    client.get("/first").send().await.expect_status(200);

    client
        .get("/second")
        .send()
        .await
        .expect_list("x-trace", ANSWERED)
        .usually(ONE_EACH);
}

#[tokio::test]
async fn requests_at_the_same_time_do_not_mix() {
    // The first request is held at the upstream while the second runs through.
    let upstream =
        Upstream::script([Reply::text(200, "slow").gate(), Reply::text(200, "quick")]).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    let slow = tokio::spawn(proxy.get("/slow").send());
    upstream.wait_for_requests(1).await;
    let quick = proxy.get("/quick").send().await;
    upstream.release();
    let slow = slow.await.unwrap();

    quick.expect_list("x-trace", ANSWERED).usually(ONE_EACH);
    slow.expect_list("x-trace", ANSWERED).usually(ONE_EACH);
}

#[tokio::test]
async fn a_failed_connect_has_another_story() {
    let upstream = Upstream::refusing().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    let answer = proxy.get("/").send().await;

    answer.expect_status(502);
    answer.expect_list("x-trace", FAILED).usually(
        "fail_to_connect and fail_to_proxy are phases too, and only the second can still answer",
    );
}

mod given {
    use super::*;

    #[tokio::test]
    async fn the_first_request_tells_its_phases() {
        let upstream = Upstream::echo().await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

        proxy.get("/").send().await.expect_list("x-trace", ANSWERED);
    }

    #[tokio::test]
    async fn the_answer_comes_from_the_upstream() {
        let upstream = Upstream::always(Reply::text(200, "hello")).await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

        proxy.get("/").send().await.expect_body("hello");
    }
}
