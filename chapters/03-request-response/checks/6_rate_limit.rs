//! 3.6 A client gets so many requests in a window, and nobody else pays for it.

use lab::{Proxy, Reply, RequestBuilder, Response, Upstream, eventually, expect};
use std::time::Duration;
use tokio::task::JoinSet;

const EXERCISE: &str = "3-6";

const LIMIT: i64 = 3;
/// An hour: no window ends while a test runs.
const WINDOW_MS: u64 = 3_600_000;

/// The lab's clients come from 127.0.0.1: as a proxy that is trusted, or as one that is not.
const TRUSTED: &str = "127.0.0.0/8,10.0.0.0/8,2001:db8:ffff::/48";
const UNTRUSTED: &str = "10.0.0.0/8";

const COUNT_FIRST: &str = "observe counts and says which number this request has in the window; rate tells of the window before";
const FROM_THE_END: &str = "each proxy appends the address that it saw: read from the end, as long as whoever wrote the entry is trusted";
const NETWORK: &str =
    "an IPv6 client can use each of the 2^64 addresses of its network: count the network";
const FIELDS: &str = "RateLimit: \"name\";r=2;t=60 and RateLimit-Policy: \"name\";q=3;w=60 (or RateLimit-Limit, -Remaining and -Reset)";

async fn start(upstream: &Upstream, trusted: &str) -> Proxy {
    Proxy::of(EXERCISE)
        .env("RATE_LIMIT", LIMIT)
        .env("RATE_WINDOW_MS", WINDOW_MS)
        .env("TRUSTED_PROXIES", trusted)
        .in_front_of(upstream)
        .await
}

/// A request that came by way of these addresses, the client's first.
fn by_way_of(proxy: &Proxy, addresses: &str) -> RequestBuilder {
    proxy.get("/").header("x-forwarded-for", addresses)
}

/// The number behind `r=` and the like in the first item of a list, or a whole older field.
fn told(answer: &Response, field: &str, parameter: &str, older: &str) -> Option<i64> {
    let number = |text: &str| {
        let digits = text.trim().split(|c: char| !c.is_ascii_digit()).next();
        digits.and_then(|digits| digits.parse().ok())
    };
    let first = answer.header(field).and_then(|list| list.split(',').next());
    let mut parameters = first.into_iter().flat_map(|item| item.split(';').skip(1));
    let found = parameters.find_map(|it| number(it.trim().strip_prefix(parameter)?));
    found.or_else(|| answer.header(older).and_then(number))
}

fn left(answer: &Response) -> Option<i64> {
    told(answer, "ratelimit", "r=", "ratelimit-remaining")
}

fn reset(answer: &Response) -> Option<i64> {
    told(answer, "ratelimit", "t=", "ratelimit-reset")
}

fn limit(answer: &Response) -> Option<i64> {
    told(answer, "ratelimit-policy", "q=", "ratelimit-limit")
}

#[tokio::test]
async fn one_more_than_the_limit_is_429_and_asks_nobody() {
    let upstream = Upstream::echo().await;
    let proxy = start(&upstream, UNTRUSTED).await;

    for _ in 0..LIMIT {
        proxy.get("/").send().await.expect_status(200);
    }
    for _ in 0..2 {
        proxy
            .get("/")
            .send()
            .await
            .expect_status(429)
            .usually(COUNT_FIRST);
    }

    upstream.expect_requests(3);
}

#[tokio::test]
async fn a_refusal_says_when_to_come_back() {
    let upstream = Upstream::echo().await;
    let proxy = start(&upstream, UNTRUSTED).await;

    for _ in 0..LIMIT {
        proxy.get("/").send().await.expect_status(200);
    }
    let refused = proxy.get("/").send().await;

    refused.expect_status(429).usually(COUNT_FIRST);
    refused.expect_header_where(
        "retry-after",
        "seconds, up to the end of the window",
        |it| {
            it.parse()
                .is_ok_and(|seconds: u64| (1..=3600).contains(&seconds))
        },
    );
    let retry: Option<i64> = refused.header("retry-after").and_then(|it| it.parse().ok());
    expect(
        retry >= reset(&refused) && reset(&refused).is_some(),
        "Retry-After not before the end of the window that RateLimit tells",
    );
    expect(left(&refused) == Some(0), "nothing left").usually(FIELDS);
    expect(!refused.body.is_empty(), "a body that says something");
}

#[tokio::test]
async fn every_answer_says_what_is_left() {
    let upstream = Upstream::echo().await;
    let proxy = start(&upstream, UNTRUSTED).await;

    for expected in [2, 1, 0] {
        let answer = proxy.get("/").send().await;
        expect(limit(&answer) == Some(LIMIT), "a quota of 3").usually(FIELDS);
        expect(
            left(&answer) == Some(expected),
            format!("{expected} requests left"),
        )
        .usually(FIELDS);
        expect(
            reset(&answer).is_some_and(|seconds| (1..=3600).contains(&seconds)),
            "whole seconds until the window ends, 1 to 3600",
        )
        .usually(FIELDS);
        let window = told(&answer, "ratelimit-policy", "w=", "no older field");
        expect(
            window.is_none_or(|seconds| seconds == 3600),
            "a window of 3600 seconds",
        )
        .usually(FIELDS);
    }
}

#[tokio::test]
async fn an_answer_of_the_proxy_itself_says_it_too() {
    let upstream = Upstream::refusing().await;
    let proxy = start(&upstream, UNTRUSTED).await;

    for expected in [2, 1] {
        let answer = proxy.get("/").send().await;
        answer.expect_status(502);
        expect(
            left(&answer) == Some(expected),
            format!("{expected} requests left"),
        )
        .usually("a request that failed has been counted too");
    }
}

#[tokio::test]
async fn requests_at_the_same_time_share_the_limit() {
    // All of them are on their way before the first is answered.
    let slow = Reply::text(200, "slow").after(Duration::from_millis(100));
    let upstream = Upstream::always(slow).await;
    let proxy = start(&upstream, UNTRUSTED).await;

    let mut requests = JoinSet::new();
    for _ in 0..20 {
        requests.spawn(proxy.get("/").send());
    }
    let answers = requests.join_all().await;

    let passed = answers.iter().filter(|it| it.status == 200).count();
    let refused = answers.iter().filter(|it| it.status == 429).count();
    expect(
        (passed, refused) == (3, 17),
        format!("3 answers of 20, and 17 refusals; but there were {passed} and {refused}"),
    )
    .usually(COUNT_FIRST);
    upstream.expect_requests(3);
}

#[tokio::test]
async fn a_forged_header_buys_nothing() {
    let upstream = Upstream::echo().await;
    let proxy = start(&upstream, UNTRUSTED).await;

    for forged in 0..LIMIT {
        by_way_of(&proxy, &format!("10.0.0.{forged}"))
            .send()
            .await
            .expect_status(200);
    }
    for forged in ["10.0.0.99", "192.0.2.1", "127.0.0.1"] {
        by_way_of(&proxy, forged)
            .send()
            .await
            .expect_status(429)
            .usually("whom to believe is decided by the address of the connection: TRUSTED_PROXIES, as in 2.5");
    }
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_last_untrusted_entry_is_the_client() {
    let upstream = Upstream::echo().await;
    let proxy = start(&upstream, TRUSTED).await;

    // What stands before 203.0.113.9 was written by 203.0.113.9.
    for addresses in [
        "203.0.113.9",
        "192.0.2.7, 203.0.113.9, 10.0.0.1",
        "10.0.0.1,203.0.113.9,10.0.0.1 , 2001:db8:ffff::1",
    ] {
        by_way_of(&proxy, addresses).send().await.expect_status(200);
    }
    for addresses in ["192.0.2.8, 203.0.113.9", "10.0.0.5, 203.0.113.9, 10.0.0.2"] {
        by_way_of(&proxy, addresses)
            .send()
            .await
            .expect_status(429)
            .usually(FROM_THE_END);
    }
    // Two lines are one list.
    by_way_of(&proxy, "192.0.2.9, 203.0.113.9")
        .header("x-forwarded-for", "10.0.0.3")
        .send()
        .await
        .expect_status(429)
        .usually(FROM_THE_END);
}

#[tokio::test]
async fn what_is_no_address_buys_nothing() {
    let upstream = Upstream::echo().await;
    let proxy = start(&upstream, TRUSTED).await;

    for entry in ["unknown", "", "203.0.113"] {
        by_way_of(&proxy, entry).send().await.expect_status(200);
    }
    by_way_of(&proxy, "_hidden, 999.0.0.1")
        .send()
        .await
        .expect_status(429)
        .usually("then the last address that is known is the client: the proxy's own");
}

#[tokio::test]
async fn other_clients_are_not_hurt() {
    let upstream = Upstream::echo().await;
    let proxy = start(&upstream, TRUSTED).await;

    for _ in 0..20 {
        by_way_of(&proxy, "203.0.113.9").send().await;
    }
    for client in [
        "203.0.113.10",
        "203.0.114.9",
        "2001:db8::9",
        "::ffff:203.0.113.11",
        "::ffff:203.0.113.12",
    ] {
        let answer = by_way_of(&proxy, client).send().await;
        answer.expect_status(200);
        expect(
            left(&answer) == Some(LIMIT - 1),
            format!("{client} to have used one request"),
        )
        .usually(FIELDS);
    }
}

#[tokio::test]
async fn an_ipv6_network_is_one_client() {
    let upstream = Upstream::echo().await;
    let proxy = start(&upstream, TRUSTED).await;

    let network = [
        "2001:db8:1:2::1",
        "2001:db8:1:2:8000::",
        "2001:db8:1:2:ffff:ffff:ffff:ffff",
    ];
    for client in network {
        by_way_of(&proxy, client).send().await.expect_status(200);
    }
    by_way_of(&proxy, "2001:db8:1:2::4")
        .send()
        .await
        .expect_status(429)
        .usually(NETWORK);
    by_way_of(&proxy, "2001:db8:1:3::1")
        .send()
        .await
        .expect_status(200);
}

#[tokio::test]
async fn an_ipv4_client_is_the_same_in_both_spellings() {
    let upstream = Upstream::echo().await;
    let proxy = start(&upstream, TRUSTED).await;

    for client in ["203.0.113.9", "::ffff:203.0.113.9", "203.0.113.9"] {
        by_way_of(&proxy, client).send().await.expect_status(200);
    }
    by_way_of(&proxy, "::ffff:203.0.113.9")
        .send()
        .await
        .expect_status(429);
}

#[tokio::test]
async fn a_refusal_lasts_until_the_window_ends() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE)
        .env("RATE_LIMIT", 2)
        .env("RATE_WINDOW_MS", 200)
        .in_front_of(&upstream)
        .await;

    // However slow the machine is: some window sees three of them.
    let mut refused = proxy.get("/").send().await;
    eventually("a refusal", async || {
        refused = proxy.get("/").send().await;
        refused.status == 429
    })
    .await;
    refused
        .expect_header("retry-after", "1")
        .usually("whole seconds, rounded up: 0 would invite the client to come back at once");
    expect(
        reset(&refused) == Some(1),
        "1 second to the end of the window",
    )
    .usually(FIELDS);

    eventually("an answer in the next window", async || {
        proxy.get("/").send().await.status == 200
    })
    .usually("rate tells of the window before, refused requests included")
    .await;
}

mod given {
    use super::*;

    #[tokio::test]
    async fn an_upstream_keeps_its_own_policy() {
        let reply = Reply::text(200, "ok")
            .header("ratelimit", "\"origin\";r=7;t=9")
            .header("ratelimit-policy", "\"origin\";q=8;w=10");
        let upstream = Upstream::always(reply).await;
        let proxy = start(&upstream, UNTRUSTED).await;

        let answer = proxy.get("/").send().await;

        answer.expect_header_where("ratelimit", "the upstream's item in the list", |list| {
            list.contains("\"origin\";r=7;t=9")
        });
        answer.expect_header_where(
            "ratelimit-policy",
            "the upstream's item in the list",
            |it| it.contains("\"origin\";q=8;w=10"),
        );
    }

    #[tokio::test]
    async fn a_crowd_is_not_taken_for_one_client() {
        let upstream = Upstream::echo().await;
        let proxy = Proxy::of(EXERCISE)
            .env("RATE_LIMIT", 1)
            .env("RATE_WINDOW_MS", WINDOW_MS)
            .env("TRUSTED_PROXIES", TRUSTED)
            .in_front_of(&upstream)
            .await;
        let client = proxy.client().await;

        for number in 0..600 {
            let address = format!("198.18.{}.{}", number / 256, number % 256);
            client
                .get("/")
                .header("x-forwarded-for", address)
                .send()
                .await
                .expect_status(200)
                .usually("an estimator with few counters adds strangers together");
        }
    }

    #[tokio::test]
    async fn a_setting_that_is_none_is_refused() {
        for (variable, value) in [
            ("RATE_LIMIT", "0"),
            ("RATE_WINDOW_MS", "1m"),
            ("TRUSTED_PROXIES", "home"),
        ] {
            let ended = Proxy::of(EXERCISE).env(variable, value).run_to_end().await;
            ended.expect_code(2);
            ended.expect_stderr_contains(variable);
        }
    }
}
