//! 6.3 Many clients at once make one request upstream, and none of them waits in vain.

use lab::{Proxy, Reply, RequestBuilder, Response, Upstream, eventually, expect};

const EXERCISE: &str = "6-3";

const NO_LOCK: &str = "the cache asks the store, and that has nothing yet for any of them: enable() takes a lock that makes the others wait";
const BROKE_OFF: &str = "the end of what MemCache reads out is also the end of what a broken fill has written: answer that with an error, and the client's connection is cut";
const WAKE: &str =
    "whoever waits for a fill must hear of its end, also if it failed or may not be stored";

/// An answer that comes in two pieces, each held back until it is released.
fn two_pieces() -> Reply {
    Reply::pieces(["first ", "last"]).header("cache-control", "max-age=60")
}

/// Sends them all at once, and goes on when the proxy has them all and the upstream has one.
async fn send_all(
    proxy: &Proxy,
    upstream: &Upstream,
    requests: Vec<RequestBuilder>,
) -> Vec<tokio::task::JoinHandle<Response>> {
    let count = requests.len();
    let all = requests.into_iter();
    let all = all
        .map(|request| tokio::spawn(request.must_be_answered()))
        .collect();
    upstream.wait_for_requests(1).await;
    eventually("the proxy has all requests", async || {
        proxy.log_lines_with("asked for").len() == count
    })
    .await;
    all
}

fn gets(proxy: &Proxy, count: usize) -> Vec<RequestBuilder> {
    (0..count).map(|_| proxy.get("/new")).collect()
}

#[tokio::test]
async fn fifty_clients_make_one_request() {
    let reply = Reply::text(200, "for all").header("cache-control", "max-age=60");
    let upstream = Upstream::always(reply.gate()).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    let all = send_all(&proxy, &upstream, gets(&proxy, 50)).await;
    // Whoever asks too gets an answer, so that the check fails by what it counts.
    (0..50).for_each(|_| upstream.release());

    for answer in all {
        answer.await.unwrap().expect_body("for all");
    }
    upstream.expect_requests(1).usually(NO_LOCK);
}

#[tokio::test]
async fn those_who_waited_read_along() {
    let upstream = Upstream::always(two_pieces().gate()).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    let starts: Vec<_> = (0..20)
        .map(|_| tokio::spawn(proxy.get("/new").start()))
        .collect();
    eventually("the proxy has all requests", async || {
        proxy.log_lines_with("asked for").len() == 20
    })
    .await;
    upstream.wait_for_requests(1).await;
    upstream.expect_requests(1).usually(NO_LOCK);
    upstream.release();

    let mut all = Vec::new();
    for start in starts {
        let mut answer = start.await.unwrap();
        answer.expect_piece("first ").await.usually(
            "those who wait need the header and not the end: what is written can be read at once",
        );
        all.push(answer);
    }
    upstream.release();
    for answer in all {
        answer.finish().await.expect_body("first last");
    }
}

#[tokio::test]
async fn a_fill_that_breaks_off_is_cut_for_everybody() {
    let begun = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nfirst \r\n";
    let upstream = Upstream::script([Reply::raw(begun), Reply::text(200, "whole")]).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    let mut all = Vec::new();
    for _ in 0..5 {
        let mut answer = proxy.get("/new").start().await;
        answer.expect_piece("first ").await;
        all.push(answer);
    }
    upstream.refuse().await;

    for answer in all {
        answer.finish().await.expect_cut_short().usually(BROKE_OFF);
    }
    upstream.accept().await;
    proxy.get("/new").send().await.expect_body("whole");
}

#[tokio::test]
async fn when_the_first_fails_another_takes_its_place() {
    let replies = [
        Reply::close().gate(),
        Reply::text(200, "for all").header("cache-control", "max-age=60"),
    ];
    let upstream = Upstream::script(replies).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    let all = send_all(&proxy, &upstream, gets(&proxy, 10)).await;
    upstream.release();

    let mut failed = 0;
    for answer in all {
        let answer = answer.await.unwrap();
        failed += usize::from(answer.status == 502);
        expect(
            [200, 502].contains(&answer.status),
            "200, or 502 for the first",
        )
        .usually(WAKE);
    }
    expect(failed == 1, format!("one failure, but there were {failed}"));
    upstream.expect_requests(2).usually(NO_LOCK);
}

mod given {
    use super::*;

    #[tokio::test]
    async fn what_may_not_be_stored_is_asked_for_by_each() {
        let private = |body| Reply::text(200, body).header("cache-control", "no-store");
        let upstream = Upstream::script([private("one").gate(), private("another")]).await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

        let all = send_all(&proxy, &upstream, gets(&proxy, 10)).await;
        upstream.release();

        let mut first = 0;
        for answer in all {
            let answer = answer.await.unwrap();
            answer.expect_status(200).usually(WAKE);
            first += usize::from(answer.text() == "one");
        }
        expect(first == 1, "an answer of its own for each").usually(WAKE);
    }

    #[tokio::test]
    async fn a_silent_upstream_holds_the_others_for_a_while_only() {
        let reply = Reply::text(200, "for the others").header("cache-control", "max-age=60");
        let upstream = Upstream::script([Reply::stall(), reply]).await;
        let proxy = Proxy::of(EXERCISE)
            .env("LOCK_TIMEOUT_MS", "200")
            .in_front_of(&upstream)
            .await;

        let _first = tokio::spawn(proxy.get("/new").start());
        upstream.wait_for_requests(1).await;

        proxy
            .get("/new")
            .must_be_answered()
            .await
            .expect_body("for the others")
            .usually("the lock is good for LOCK_TIMEOUT_MS; then another may try");
    }

    #[tokio::test]
    async fn a_broken_fill_of_known_length_is_never_whole() {
        let begun =
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\n\r\nfirst ";
        let upstream = Upstream::script([Reply::raw(begun), Reply::text(200, "whole")]).await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

        let all = send_all(&proxy, &upstream, gets(&proxy, 1)).await;
        upstream.refuse().await;

        for answer in all {
            let answer = answer.await.unwrap();
            expect(
                answer.status != 200 || !answer.complete,
                "an error, or an answer that is cut",
            );
        }
        upstream.accept().await;
        proxy.get("/new").send().await.expect_body("whole");
    }

    #[tokio::test]
    async fn the_first_client_may_leave() {
        let upstream = Upstream::always(two_pieces()).await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

        let mut first = proxy.get("/new").start().await;
        first.expect_piece("first ").await;
        let mut other = proxy.get("/new").start().await;
        other.expect_piece("first ").await;
        drop(first);
        upstream.release();

        other.finish().await.expect_body("first last");
        upstream.expect_requests(1);
    }

    #[tokio::test]
    async fn other_targets_do_not_wait() {
        let reply = Reply::text(200, "another").header("cache-control", "max-age=60");
        let upstream = Upstream::script([Reply::stall(), reply]).await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

        let _first = tokio::spawn(proxy.get("/new").start());
        upstream.wait_for_requests(1).await;

        let other = proxy.get("/other").must_be_answered().await;
        other.expect_body("another");
    }

    #[tokio::test]
    async fn a_time_that_is_no_number_is_refused() {
        let ended = Proxy::of(EXERCISE)
            .env("LOCK_TIMEOUT_MS", "long")
            .run_to_end()
            .await;

        ended.expect_code(2);
        ended.expect_stderr_contains("LOCK_TIMEOUT_MS");
    }
}
