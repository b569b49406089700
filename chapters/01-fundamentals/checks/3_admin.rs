//! 1.3 A second service on `ADMIN` tells how many requests the proxy has answered.

use lab::{Proxy, Reply, Upstream, eventually};

const EXERCISE: &str = "1-3";

/// The client can have its answer a moment before `logging` has run, so the count is awaited.
async fn expect_served(proxy: &Proxy, count: usize) {
    let wanted = format!("served: {count}\n");
    let admin = proxy.port("ADMIN");
    admin.get("/").send().await.expect_status(200).usually(
        "a service needs add_tcp(..) for its port and server.add_service(..) before run_forever()",
    );
    eventually(
        &format!("the admin port says \"served: {count}\""),
        || async { admin.get("/").send().await.text() == wanted },
    )
    .await;
}

#[tokio::test]
async fn the_admin_port_starts_at_zero() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    let answer = proxy.port("ADMIN").get("/").send().await;

    answer.expect_status(200);
    answer.expect_body("served: 0\n");
}

#[tokio::test]
async fn every_answer_counts_once() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    for _ in 0..3 {
        proxy.get("/").send().await.expect_status(200);
    }

    expect_served(&proxy, 3).await;
}

#[tokio::test]
async fn two_hundred_at_once_are_two_hundred() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    let requests: Vec<_> = (0..200)
        .map(|_| tokio::spawn(proxy.get("/").send()))
        .collect();
    for request in requests {
        request.await.unwrap().expect_status(200);
    }

    expect_served(&proxy, 200).await;
}

#[tokio::test]
async fn a_502_counts_too() {
    let upstream = Upstream::refusing().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    proxy.get("/").send().await.expect_status(502);

    expect_served(&proxy, 1).await;
}

#[tokio::test]
async fn asking_does_not_count() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    let admin = proxy.port("ADMIN").client().await;

    for _ in 0..3 {
        admin
            .get("/")
            .send()
            .await
            .expect_body("served: 0\n")
            .usually("an answer without Content-Length cannot be followed by another on the same connection");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_counts_once() {
    let upstream = Upstream::always(Reply::truncated(10, "hello")).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    proxy.get("/").send().await.expect_cut_short();
    proxy.get("/").send().await.expect_cut_short();

    expect_served(&proxy, 2).await;
}

#[tokio::test]
async fn what_is_not_answered_yet_does_not_count() {
    let upstream = Upstream::always(Reply::text(404, "late").gate()).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    let late = tokio::spawn(proxy.post("/").send());
    upstream.wait_for_requests(1).await;
    proxy
        .port("ADMIN")
        .get("/")
        .send()
        .await
        .expect_body("served: 0\n")
        .usually("request_filter runs when a request has come; logging when it is over");
    upstream.release();
    late.await.unwrap().expect_status(404);

    expect_served(&proxy, 1).await;
}

mod given {
    use super::*;

    #[tokio::test]
    async fn requests_are_forwarded() {
        let upstream = Upstream::always(Reply::text(200, "hello")).await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

        proxy.get("/").send().await.expect_body("hello");
    }
}
