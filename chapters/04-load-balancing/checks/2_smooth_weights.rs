//! 4.2 Smooth weights: the shares are exact over every cycle, and nobody gets its share all at once.

use lab::{Proxy, Upstream, expect};
use tokio::task::JoinSet;

const EXERCISE: &str = "4-2";

const BURSTS: &str = "a line in which each stands as many times as it has weight gives the heavy one its share all at once";

/// The backends a, b and c, in the order of their addresses, which is that of the balancer.
async fn three() -> [Upstream; 3] {
    let mut three = [
        Upstream::echo().await,
        Upstream::echo().await,
        Upstream::echo().await,
    ];
    three.sort_by_key(Upstream::address);
    three
}

async fn start(weights: &str, upstreams: &[Upstream; 3]) -> Proxy {
    Proxy::of(EXERCISE)
        .env("WEIGHTS", weights)
        .in_front_of_all(upstreams)
        .await
}

/// Who answers so many requests, one after the other: `aab...`
async fn turns(proxy: &Proxy, upstreams: &[Upstream; 3], count: usize) -> String {
    let client = proxy.client().await;
    let mut turns = String::new();
    for _ in 0..count {
        let answer = client.get("/").send().await;
        answer.expect_status(200);
        let json = answer.json();
        let who = json.get("upstream").and_then(|who| who.as_str());
        let names = upstreams.iter().zip(['a', 'b', 'c']);
        let name = names.filter(|(it, _)| who == Some(&it.address().to_string()));
        turns.extend(name.map(|(_, name)| name));
    }
    turns
}

#[tokio::test]
async fn the_heavy_one_is_spread_over_the_cycle() {
    let upstreams = three().await;
    let proxy = start("5,1,1", &upstreams).await;

    let turns = turns(&proxy, &upstreams, 28).await;

    expect(
        !turns.contains("aaaaa"),
        format!("never five of the heavy one in a row, as in aabacaa, but: {turns}"),
    )
    .usually(BURSTS);
}

#[tokio::test]
async fn equal_weights_take_turns() {
    let upstreams = three().await;
    let proxy = start("3,3,3", &upstreams).await;

    let turns = turns(&proxy, &upstreams, 18).await;

    let again = ["aa", "bb", "cc"].iter().any(|twice| turns.contains(twice));
    expect(!again, format!("nobody twice in a row, but: {turns}")).usually(BURSTS);
}

#[tokio::test]
async fn new_weights_are_smooth_too() {
    let upstreams = three().await;
    let proxy = start("1,1,5", &upstreams).await;
    turns(&proxy, &upstreams, 3).await;

    let change = proxy.request("PUT", "/weights/5,1,1").send().await;
    change.expect_status(204);
    let turns = turns(&proxy, &upstreams, 14).await;

    expect(
        turns.matches('a').count() == 10 && !turns.contains("aaaaa"),
        format!("10 of 14 at a, never five in a row, but: {turns}"),
    )
    .usually("a change builds a new selection, and what is remembered belongs to that one");
}

mod given {
    use super::*;

    #[tokio::test]
    async fn every_cycle_has_the_exact_shares() {
        let upstreams = three().await;
        let proxy = start("5,1,1", &upstreams).await;

        for cycle in 1..=4 {
            let turns = turns(&proxy, &upstreams, 7).await;
            let shares = ['a', 'b', 'c'].map(|name| turns.matches(name).count());
            expect(
                shares == [5, 1, 1],
                format!("5:1:1 in cycle {cycle}, but: {turns}"),
            );
        }
    }

    #[tokio::test]
    async fn the_shares_are_exact_under_concurrent_clients() {
        let upstreams = three().await;
        let proxy = start("5,1,1", &upstreams).await;

        let mut clients = JoinSet::new();
        for _ in 0..7 {
            let client = proxy.client().await;
            clients.spawn(async move {
                for _ in 0..50 {
                    client.get("/").send().await.expect_status(200);
                }
            });
        }
        clients.join_all().await;

        for (upstream, share) in upstreams.iter().zip([250, 50, 50]) {
            upstream.expect_requests(share);
        }
    }

    #[tokio::test]
    async fn weight_zero_gets_nothing() {
        let upstreams = three().await;
        let proxy = start("2,0,1", &upstreams).await;

        let turns = turns(&proxy, &upstreams, 9).await;

        upstreams[1].expect_no_request();
        expect(
            turns.matches('a').count() == 6,
            format!("6 of 9 at a, but: {turns}"),
        );
    }

    #[tokio::test]
    async fn nobody_with_a_weight_is_503() {
        let upstreams = three().await;
        let proxy = start("1,1,1", &upstreams).await;

        let change = proxy.request("PUT", "/weights/0,0,0").send().await;
        change.expect_status(204);

        proxy
            .get("/")
            .send()
            .await
            .expect_status(503)
            .usually("where all weights are 0, the first of equals has nothing either");
        for upstream in &upstreams {
            upstream.expect_no_request();
        }
    }

    #[tokio::test]
    async fn weights_that_are_not_numbers_are_refused() {
        let ended = Proxy::of(EXERCISE)
            .env("WEIGHTS", "heavy")
            .run_to_end()
            .await;

        ended.expect_code(2);
        ended.expect_stderr_contains("WEIGHTS");
    }
}
