//! 4.1 The backends take turns: exactly, on every connection, on every thread, and while requests are under way.

use lab::{Client, Proxy, Reply, Upstream};
use std::collections::BTreeSet;
use tokio::task::JoinSet;

const EXERCISE: &str = "4-1";

const NEW_EACH_TIME: &str = "a balancer that is made for each request begins each time with the first backend: make one, and keep it";
const SHARED: &str = "there is one turn, for all connections and threads, and a request takes it before it waits for anything";

/// Three upstreams that say who they are.
async fn three() -> [Upstream; 3] {
    [named("a").await, named("b").await, named("c").await]
}

async fn named(name: &str) -> Upstream {
    Upstream::always(Reply::text(200, name)).await
}

async fn start(upstreams: &[Upstream]) -> Proxy {
    Proxy::of(EXERCISE).in_front_of_all(upstreams).await
}

#[tokio::test]
async fn everybody_gets_the_same_number() {
    let upstreams = three().await;
    let proxy = start(&upstreams).await;
    let client = proxy.client().await;

    for _ in 0..30 {
        client.get("/").send().await.expect_status(200);
    }

    for upstream in &upstreams {
        upstream.expect_requests(10).usually(NEW_EACH_TIME);
    }
}

#[tokio::test]
async fn nobody_is_asked_twice_before_all_were() {
    let upstreams = three().await;
    let proxy = start(&upstreams).await;

    let mut order = Vec::new();
    for _ in 0..18 {
        order.push(proxy.get("/").send().await.text());
    }

    let in_turn = |three: &[String]| BTreeSet::from_iter(three).len() == 3;
    proxy
        .expect(
            order.windows(3).all(in_turn),
            format!("any three requests in a row at three backends, but they went to {order:?}"),
        )
        .usually(NEW_EACH_TIME);
}

#[tokio::test]
async fn a_new_connection_goes_on_where_the_last_one_was() {
    let upstreams = three().await;
    let proxy = start(&upstreams).await;

    let mut seen = BTreeSet::new();
    for _ in 0..3 {
        seen.insert(proxy.client().await.get("/").send().await.text());
    }

    proxy
        .expect(
            seen.len() == 3,
            format!("three connections at three backends, but they went to {seen:?}"),
        )
        .usually(SHARED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shares_are_exact_when_many_ask_at_once() {
    let upstreams = three().await;
    let proxy = start(&upstreams).await;

    let mut clients = JoinSet::new();
    for _ in 0..8 {
        clients.spawn(ask(proxy.client().await, 60));
    }
    clients.join_all().await;

    for upstream in &upstreams {
        upstream.expect_requests(8 * 60 / 3).usually(SHARED);
    }
}

async fn ask(client: Client, times: usize) {
    for _ in 0..times {
        client.get("/").send().await.expect_status(200);
    }
}

#[tokio::test]
async fn a_request_takes_its_turn_before_it_is_answered() {
    let held = async || Upstream::always(Reply::text(200, "late").gate()).await;
    let upstreams = [held().await, held().await, held().await];
    let proxy = start(&upstreams).await;

    let mut waiting = JoinSet::new();
    for _ in 0..9 {
        waiting.spawn(proxy.get("/").send());
    }
    lab::eventually("nine requests under way", async || {
        upstreams
            .iter()
            .map(|it| it.requests().len())
            .sum::<usize>()
            == 9
    })
    .await;

    for upstream in &upstreams {
        upstream.expect_requests(3).usually(SHARED);
    }
}

#[tokio::test]
async fn two_backends_take_turns_too() {
    let upstreams = [named("a").await, named("b").await];
    let proxy = start(&upstreams).await;

    for _ in 0..10 {
        proxy.get("/").send().await.expect_status(200);
    }

    for upstream in &upstreams {
        upstream.expect_requests(5).usually(NEW_EACH_TIME);
    }
}

mod given {
    use super::*;

    #[tokio::test]
    async fn one_backend_gets_everything() {
        let upstream = Upstream::echo().await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

        for _ in 0..3 {
            proxy.get("/a?b").send().await.expect_status(200);
            upstream.last_request().expect_target("/a?b");
        }
    }
}
