//! 5.8 Who returns gets its load step by step, and if too many are out, all are used.

use lab::{Proxy, ProxyBuilder, Reply, Upstream, eventually, expect};
use serde_json::Value;

const EXERCISE: &str = "5-8";

const SLOWLY: &str = "share() is a tenth at the return and grows with self.since.elapsed() to the whole at policy.slow_start";
const PANIC: &str =
    "panicking() compares a share with a share: those that are in, of all that there are";

/// A proxy that ejects at the first failure, for an hour, and never lets anybody have its whole share again.
fn strict() -> ProxyBuilder {
    Proxy::of(EXERCISE)
        .env("FAILURES", "1")
        .env("COOL_DOWN_MS", "3600000")
        .env("SLOW_START_MS", "3600000")
}

async fn failing() -> Upstream {
    Upstream::always(Reply::text(503, "text")).await
}

async fn status(proxy: &Proxy) -> Value {
    proxy.get("/status").send().await.json()
}

/// Sends one request after the other.
async fn send(count: usize, proxy: &Proxy) {
    for _ in 0..count {
        proxy.get("/").send().await;
    }
}

/// Lets the first upstream, which refuses, go out, and waits until it is in again and answers.
async fn first_returns(first: &Upstream, proxy: &Proxy) {
    send(6, proxy).await;
    first.accept().await;
    eventually(
        "/status says that the first upstream was out and is in",
        async || {
            let status = status(proxy).await;
            let of_first = |field| status.pointer(&format!("/backends/0/{field}"));
            of_first("state").is_some_and(|it| it == "in")
                && of_first("why").is_some_and(|it| it != "started")
        },
    )
    .await;
}

#[tokio::test]
async fn who_returns_begins_with_a_tenth() {
    let (first, other) = (Upstream::refusing().await, Upstream::echo().await);
    let third = Upstream::echo().await;
    let proxy = strict()
        .env("COOL_DOWN_MS", "50")
        .in_front_of_all([&first, &other, &third])
        .await;
    first_returns(&first, &proxy).await;

    send(63, &proxy).await;

    // With a tenth 10 of 210, which are 3; with a whole share it would be 21.
    let seen = first.requests().len();
    expect(
        (1..=7).contains(&seen),
        format!("about 3 of 63 requests at the upstream that returned, but it saw {seen}"),
    )
    .usually(SLOWLY);
    let now = status(&proxy).await;
    expect(
        now["panic"] == false,
        format!("no panic: who returned is in, but /status says {now}"),
    );
}

#[tokio::test]
async fn its_share_grows_to_the_whole() {
    let (first, other) = (Upstream::refusing().await, Upstream::echo().await);
    let proxy = strict()
        .env("COOL_DOWN_MS", "50")
        .env("SLOW_START_MS", "400")
        .in_front_of_all([&first, &other])
        .await;
    first_returns(&first, &proxy).await;

    let mut seen: Vec<(u64, u64)> = Vec::new();
    eventually(
        "/status says that the first upstream has a share of 100",
        async || {
            let first = &status(&proxy).await["backends"][0];
            let (since, share) = (first["since_ms"].as_u64(), first["share"].as_u64());
            seen.extend(since.zip(share));
            share == Some(100)
        },
    )
    .usually(SLOWLY)
    .await;

    expect(
        seen.is_sorted_by_key(|(_, share)| share),
        format!("a share that only grows, but by milliseconds it was {seen:?}"),
    );
    expect(
        seen.iter()
            .all(|(since, share)| *since > 100 || *share < 100),
        format!(
            "no whole share in the first quarter of the ramp, but by milliseconds it was {seen:?}"
        ),
    )
    .usually(SLOWLY);
    // However often one could look: a fifth of the ramp later it is more, after the tenth that it begins with.
    let ramp = seen.iter().filter(|(since, _)| (40..=400).contains(since));
    let stuck = ramp.clone().any(|(since, share)| {
        let mut later = ramp.clone().filter(|(later, _)| *later >= since + 80);
        later.any(|(_, later)| later <= share)
    });
    expect(
        !stuck,
        format!("a share that grows step by step, but by milliseconds it was {seen:?}"),
    )
    .usually(SLOWLY);
    eventually(
        "/status says that it is in for twice the ramp",
        async || status(&proxy).await["backends"][0]["since_ms"].as_u64() >= Some(800),
    )
    .await;
    let before = first.requests().len();
    send(20, &proxy).await;
    let seen = first.requests().len() - before;
    expect(
        (8..=12).contains(&seen),
        format!("10 of 20 requests with the whole share, but it saw {seen}"),
    );
    let now = status(&proxy).await;
    expect(
        now["backends"][0]["share"] == 100,
        format!("a share of 100 and not more, but /status says {now}"),
    );
}

#[tokio::test]
async fn with_too_few_in_all_are_used() {
    let (one, two) = (failing().await, failing().await);
    let (three, four) = (Upstream::echo().await, Upstream::echo().await);
    let proxy = strict().in_front_of_all([&one, &two, &three, &four]).await;

    // Two of four are not fewer than half.
    send(20, &proxy).await;
    one.expect_requests(1)
        .usually("at the threshold there is no panic, only below it");
    two.expect_requests(1);
    three.refuse().await;
    send(4, &proxy).await;
    let before = four.requests().len();
    send(40, &proxy).await;

    let now = status(&proxy).await;
    expect(
        now["panic"] == true,
        format!("a panic: one of four is in, but /status says {now}"),
    )
    .usually(PANIC);
    let seen = [
        one.requests().len(),
        two.requests().len(),
        four.requests().len() - before,
    ];
    expect(
        seen.iter().all(|seen| (8..=14).contains(seen)),
        format!("about 10 of 40 requests at each, but they saw {seen:?}"),
    )
    .usually("in a panic all have the same share: the load of a whole fleet must not fall on one");
}

#[tokio::test]
async fn the_threshold_is_a_setting() {
    for (percent, panic) in [(67, true), (66, false)] {
        let (one, two) = (failing().await, Upstream::echo().await);
        let three = Upstream::echo().await;
        let proxy = strict()
            .env("PANIC_PERCENT", percent)
            .in_front_of_all([&one, &two, &three])
            .await;

        send(30, &proxy).await;

        let now = status(&proxy).await;
        expect(
            now["panic"] == panic,
            format!(
                "two of three in, threshold {percent} %: panic {panic}, but /status says {now}"
            ),
        )
        .usually(PANIC);
    }
}

#[tokio::test]
async fn the_panic_ends_when_enough_are_back() {
    let (first, other) = (Upstream::refusing().await, Upstream::echo().await);
    let proxy = strict()
        .env("COOL_DOWN_MS", "500")
        .env("PANIC_PERCENT", "60")
        .in_front_of_all([&first, &other])
        .await;

    // Its cool-down may be over before anybody looks: then it fails again.
    let mut now = Value::Null;
    for _ in 0..40 {
        send(1, &proxy).await;
        now = status(&proxy).await;
        if now["panic"] == true {
            break;
        }
    }
    expect(
        now["panic"] == true,
        format!("a panic: one of two is in, but /status says {now}"),
    )
    .usually(PANIC);

    first.accept().await;
    eventually("/status says that there is no panic", async || {
        status(&proxy).await["panic"] == false
    })
    .await;
    send(22, &proxy).await;
    let seen = first.requests().len();
    expect(
        seen <= 6,
        format!("about 1 of 22 requests for who returned, also after a panic, but it saw {seen}"),
    )
    .usually(SLOWLY);
}

#[tokio::test]
async fn with_nobody_in_all_are_used_whatever_the_threshold() {
    let (one, two) = (failing().await, failing().await);
    let proxy = strict()
        .env("PANIC_PERCENT", "0")
        .in_front_of_all([&one, &two])
        .await;

    send(20, &proxy).await;

    let (one, two) = (one.requests().len(), two.requests().len());
    expect(
        one + two == 20 && one.abs_diff(two) <= 2,
        format!("20 requests, half of them at each, but they saw {one} and {two}"),
    )
    .usually("0 % of two is 0, and fewer than 0 there never are: nobody in is a case of its own");
}

mod given {
    use super::*;

    #[tokio::test]
    async fn who_was_never_out_has_its_whole_share() {
        let (one, two) = (Upstream::echo().await, Upstream::echo().await);
        let proxy = strict().in_front_of_all([&one, &two]).await;

        send(10, &proxy).await;

        one.expect_requests(5);
        two.expect_requests(5);
    }

    #[tokio::test]
    async fn who_returns_alone_gets_everything() {
        let replies = [Reply::text(503, "text"), Reply::text(200, "well")];
        let upstream = Upstream::script(replies).await;
        let proxy = strict()
            .env("COOL_DOWN_MS", "1")
            .in_front_of(&upstream)
            .await;

        send(1, &proxy).await;
        eventually("/status says that it is in", async || {
            status(&proxy).await["backends"][0]["state"] == "in"
        })
        .await;

        for _ in 0..5 {
            proxy.get("/").send().await.expect_body("well");
        }
    }

    #[tokio::test]
    async fn a_threshold_above_100_is_refused() {
        let ended = Proxy::of(EXERCISE)
            .env("PANIC_PERCENT", "101")
            .run_to_end()
            .await;

        ended.expect_code(2);
        ended.expect_stderr_contains("PANIC_PERCENT");
    }
}
