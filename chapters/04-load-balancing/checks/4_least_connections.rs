//! 4.4 Least connections: the counts are right while requests run, and whatever ends a request gives its count back.

use std::time::Duration;

use lab::{Proxy, Reply, Upstream, expect, soon};
use tokio::task::JoinSet;

const EXERCISE: &str = "4-4";

const LEAK: &str = "an error, a client that leaves and a retry never see the end of an answer: give the count back where nothing can be forgotten, by Drop";
const TOO_SOON: &str =
    "a request runs until its last byte has passed, not only until it is answered";

async fn start(upstreams: &[Upstream]) -> Proxy {
    Proxy::of(EXERCISE)
        .env("READ_TIMEOUT_MS", "60000")
        .in_front_of_all(upstreams)
        .await
}

/// The running requests, as `/status` tells them.
async fn running(proxy: &Proxy, upstreams: &[Upstream]) -> Vec<u64> {
    let status = proxy.get("/status").send().await.json();
    let running = upstreams.iter().map(|upstream| {
        let running = status.pointer(&format!("/running/{}", upstream.address()));
        running
            .and_then(|running| running.as_u64())
            .unwrap_or(u64::MAX)
    });
    running.collect()
}

async fn expect_running(proxy: &Proxy, upstreams: &[Upstream], wanted: &[u64], usually: &str) {
    soon(
        format!("running requests {wanted:?} in /status"),
        async || running(proxy, upstreams).await == wanted,
    )
    .usually(usually)
    .await;
}

#[tokio::test]
async fn idle_backends_share_the_work() {
    let upstreams = [
        Upstream::echo().await,
        Upstream::echo().await,
        Upstream::echo().await,
    ];
    let proxy = start(&upstreams).await;

    for _ in 0..40 {
        proxy.get("/").send().await.expect_status(200);
    }

    for upstream in &upstreams {
        expect(
            !upstream.requests().is_empty(),
            format!("a few of 40 requests at {}", upstream.address()),
        )
        .usually("whoever searches for the least finds the first of equals, each time");
    }
}

#[tokio::test]
async fn a_broken_answer_leaves_nothing_behind() {
    let broken = [
        Reply::close(),
        Reply::reset(),
        Reply::garbage().then_close(),
        Reply::truncated(100, "half of it"),
    ];
    for reply in broken {
        let upstreams = [Upstream::always(reply).await];
        let proxy = start(&upstreams).await;

        proxy.get("/").send().await;

        expect_running(&proxy, &upstreams, &[0], LEAK).await;
    }
}

#[tokio::test]
async fn a_time_out_leaves_nothing_behind() {
    let upstreams = [Upstream::silent().await];
    let proxy = Proxy::of(EXERCISE)
        .env("READ_TIMEOUT_MS", "100")
        .in_front_of_all(&upstreams)
        .await;

    proxy.get("/").send().await;

    expect_running(&proxy, &upstreams, &[0], LEAK).await;
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_leaves_nothing_behind() {
    let upstreams = [Upstream::silent().await];
    let proxy = start(&upstreams).await;
    let mut client = proxy.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    upstreams[0].wait_for_requests(1).await;
    expect_running(&proxy, &upstreams, &[1], TOO_SOON).await;

    drop(client);

    expect_running(&proxy, &upstreams, &[0], LEAK).await;
}

#[tokio::test]
async fn a_client_that_leaves_during_its_upload_leaves_nothing_behind() {
    let upstreams = [Upstream::echo().await];
    let proxy = start(&upstreams).await;
    let mut client = proxy.connect().await;
    let half = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello";
    client.send(half).await;
    upstreams[0].wait_for_requests(1).await;
    expect_running(&proxy, &upstreams, &[1], TOO_SOON).await;

    drop(client);

    expect_running(&proxy, &upstreams, &[0], LEAK).await;
}

#[tokio::test]
async fn a_client_that_leaves_during_its_download_leaves_nothing_behind() {
    let upstreams = [Upstream::always(Reply::pieces(["one", "two"])).await];
    let proxy = start(&upstreams).await;
    let mut answer = proxy.get("/").start().await;
    answer.expect_piece("one").await;
    expect_running(&proxy, &upstreams, &[1], TOO_SOON).await;

    drop(answer);

    expect_running(&proxy, &upstreams, &[0], LEAK).await;
}

#[tokio::test]
async fn a_backend_that_dies_leaves_nothing_behind() {
    let upstreams = [Upstream::always(Reply::pieces(["one", "two"])).await];
    let proxy = start(&upstreams).await;
    let mut answer = proxy.get("/").start().await;
    answer.expect_piece("one").await;

    upstreams[0].refuse().await;
    answer.finish().await.expect_cut_short();

    expect_running(&proxy, &upstreams, &[0], LEAK).await;
}

#[tokio::test]
async fn a_retry_counts_where_it_went_and_only_there() {
    let upstreams = [
        Upstream::refusing().await,
        Upstream::always(Reply::text(200, "hello").gate()).await,
    ];
    let proxy = start(&upstreams).await;

    // Either may be asked first; in one of two tries it is the one that refuses.
    for round in 1..=12 {
        let answer = tokio::spawn(proxy.get("/").send());
        upstreams[1].wait_for_requests(round).await;
        expect_running(&proxy, &upstreams, &[0, 1], LEAK).await;
        upstreams[1].release();
        let answer = answer.await.expect("the request is not given up");
        answer.expect_body("hello");
        expect_running(&proxy, &upstreams, &[0, 0], LEAK).await;
    }
}

#[tokio::test]
async fn a_retry_at_the_same_backend_counts_once() {
    // The second request goes over a kept-alive connection that ends: Pingora tries it again.
    let replies = [
        Reply::text(200, "first"),
        Reply::close(),
        Reply::text(200, "second").gate(),
    ];
    let upstreams = [Upstream::script(replies).await];
    let proxy = start(&upstreams).await;
    proxy.get("/").send().await.expect_body("first");
    expect_running(&proxy, &upstreams, &[0], LEAK).await;

    let answer = tokio::spawn(proxy.get("/").send());
    upstreams[0].wait_for_requests(3).await;
    expect_running(&proxy, &upstreams, &[1], LEAK).await;
    upstreams[0].release();
    let answer = answer.await.expect("the request is not given up");
    answer.expect_body("second");

    expect_running(&proxy, &upstreams, &[0], LEAK).await;
}

#[tokio::test]
async fn a_websocket_counts_until_its_end() {
    let switch =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    // Not at once: Pingora 0.9.1 may end a tunnel whose 101 overtakes the end of the request (pingora-proxy,
    // proxy_h1.rs, `send_body_to1`).
    let switch = Reply::raw(switch).after(Duration::from_millis(50));
    let upstreams = [Upstream::always(switch).await];
    let proxy = start(&upstreams).await;
    let mut client = proxy.connect().await;
    let upgrade = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    client.send(upgrade).await;
    let head = client.read_some().await;
    expect(
        head.starts_with(b"HTTP/1.1 101 "),
        "status 101 Switching Protocols",
    );
    expect_running(&proxy, &upstreams, &[1], TOO_SOON).await;

    drop(client);

    expect_running(&proxy, &upstreams, &[0], LEAK).await;
}

mod given {
    use super::*;

    #[tokio::test]
    async fn whoever_is_slow_gets_less() {
        let upstreams = [Upstream::silent().await, Upstream::echo().await];
        let proxy = start(&upstreams).await;

        // Ties may go to either: until the slow one has a request.
        let mut waiting = Vec::new();
        while upstreams[0].requests().is_empty() && waiting.len() < 40 {
            waiting.push(tokio::spawn(proxy.get("/").send()));
            let count = waiting.len();
            soon(format!("{count} requests at the upstreams"), async || {
                upstreams
                    .iter()
                    .map(|it| it.requests().len())
                    .sum::<usize>()
                    == count
            })
            .await;
        }
        let before = upstreams[1].requests().len();
        for _ in 0..10 {
            expect_running(&proxy, &upstreams, &[1, 0], LEAK).await;
            proxy.get("/").send().await.expect_status(200);
        }

        upstreams[0].expect_requests(1);
        upstreams[1].expect_requests(before + 10);
        waiting.iter().for_each(tokio::task::JoinHandle::abort);
    }

    #[tokio::test]
    async fn running_requests_are_spread_evenly() {
        let gated = || Upstream::always(Reply::text(200, "hello").gate());
        let upstreams = [gated().await, gated().await, gated().await];
        let proxy = start(&upstreams).await;

        let mut answers = Vec::new();
        for count in 1..=9 {
            answers.push(tokio::spawn(proxy.get("/").send()));
            soon(format!("{count} requests at the upstreams"), async || {
                upstreams
                    .iter()
                    .map(|it| it.requests().len())
                    .sum::<usize>()
                    == count
            })
            .await;
        }

        expect_running(&proxy, &upstreams, &[3, 3, 3], TOO_SOON).await;
        for upstream in &upstreams {
            upstream.expect_requests(3);
        }
        answers.iter().for_each(tokio::task::JoinHandle::abort);
    }

    #[tokio::test]
    async fn a_slow_download_counts_until_its_end() {
        let upstreams = [Upstream::always(Reply::pieces(["one", "two"])).await];
        let proxy = start(&upstreams).await;

        let mut answer = proxy.get("/").start().await;
        answer.expect_piece("one").await;
        expect_running(&proxy, &upstreams, &[1], TOO_SOON).await;
        upstreams[0].release();
        answer.finish().await.expect_body("onetwo");

        expect_running(&proxy, &upstreams, &[0], LEAK).await;
    }

    #[tokio::test]
    async fn one_that_ends_leaves_the_others_counted() {
        let upstreams = [Upstream::always(Reply::text(200, "hello").gate()).await];
        let proxy = start(&upstreams).await;
        let mut answers = JoinSet::new();
        for _ in 0..3 {
            answers.spawn(proxy.get("/").send());
        }
        expect_running(&proxy, &upstreams, &[3], TOO_SOON).await;

        for left in [2, 1, 0] {
            upstreams[0].release();
            answers.join_next().await;
            let usually = "each request gives back its own count, and gives it back once";
            expect_running(&proxy, &upstreams, &[left], usually).await;
        }
    }

    #[tokio::test]
    async fn a_request_that_waits_for_its_connection_counts() {
        let upstreams = [Upstream::unreachable().await];
        let proxy = start(&upstreams).await;

        let waiting = tokio::spawn(proxy.get("/").send());

        let usually = "a request counts from the choice on: a host that is down keeps it too";
        expect_running(&proxy, &upstreams, &[1], usually).await;
        waiting.abort();
    }

    #[tokio::test]
    async fn when_all_refuse_it_is_502() {
        let upstreams = [Upstream::refusing().await, Upstream::refusing().await];
        let proxy = start(&upstreams).await;

        proxy.get("/").send().await.expect_status(502);
    }

    #[tokio::test]
    async fn a_limit_that_is_no_number_is_refused() {
        let ended = Proxy::of(EXERCISE)
            .env("READ_TIMEOUT_MS", "long")
            .run_to_end()
            .await;

        ended.expect_code(2);
        ended.expect_stderr_contains("READ_TIMEOUT_MS");
    }
}
