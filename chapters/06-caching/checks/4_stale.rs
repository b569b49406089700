//! 6.4 What is stale is an answer where the upstream permits it, and nowhere else (RFC 9111, section 4.2.4; RFC 5861).

use lab::{Proxy, Reply, Upstream, eventually, expect};

const EXERCISE: &str = "6-4";

const AT_ONCE: &str = "Pingora asks should_serve_stale with no error before it answers with what is stale, and its default says no";
const FORBIDDEN: &str = "must-revalidate, proxy-revalidate, s-maxage and no-cache forbid what is stale, whatever else the answer permits (RFC 9111, section 4.2.4)";

/// An answer that was good for a minute, 40 seconds ago.
fn old(control: &str) -> Reply {
    Reply::text(200, "old")
        .header("cache-control", format!("max-age=60, {control}"))
        .header("age", "100")
}

fn new() -> Reply {
    Reply::text(200, "new").header("cache-control", "max-age=60")
}

/// A target of its own for this directive.
fn target(control: &str) -> String {
    format!("/{}", control.replace([' ', ',', '='], "-"))
}

/// A proxy that has stored the first of these replies.
async fn stored(replies: impl IntoIterator<Item = Reply>) -> (Upstream, Proxy) {
    let upstream = Upstream::script(replies).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    proxy.get("/").send().await.expect_body("old");
    (upstream, proxy)
}

#[tokio::test]
async fn what_is_stale_is_the_answer_while_a_new_one_is_fetched() {
    let (upstream, proxy) = stored([old("stale-while-revalidate=600"), new().gate()]).await;

    let answer = proxy.get("/").must_be_answered().await;
    answer.expect_body("old").usually(AT_ONCE);
    upstream.wait_for_requests(2).await;
    upstream.release();

    eventually("the new answer is stored", async || {
        proxy.get("/").send().await.text() == "new"
    })
    .await;
    upstream.expect_requests(2);
}

#[tokio::test]
async fn one_request_fetches_for_all() {
    let (upstream, proxy) = stored([old("stale-while-revalidate=600"), new().gate()]).await;

    for _ in 0..10 {
        let answer = proxy.get("/").must_be_answered().await;
        answer.expect_body("old").usually(AT_ONCE);
    }
    upstream.wait_for_requests(2).await;
    upstream.expect_requests(2);
    upstream.release();
}

#[tokio::test]
async fn a_background_request_that_fails_changes_nothing() {
    let (upstream, proxy) = stored([old("stale-while-revalidate=600"), new()]).await;
    upstream.refuse().await;

    for _ in 0..3 {
        proxy
            .get("/")
            .send()
            .await
            .expect_body("old")
            .usually(AT_ONCE);
    }

    upstream.accept().await;
    eventually("the new answer is stored", async || {
        proxy.get("/").send().await.text() == "new"
    })
    .await;
}

#[tokio::test]
async fn what_must_be_validated_is_not_used_when_that_fails() {
    let controls = [
        "must-revalidate, stale-if-error=600",
        "stale-if-error=600, Must-Revalidate",
        "proxy-revalidate, stale-if-error=600",
        "s-maxage=60, stale-if-error=600",
        "no-cache, stale-if-error=600",
    ];
    let upstream = Upstream::script(controls.map(old)).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    for control in controls {
        proxy.get(target(control)).send().await.expect_body("old");
    }
    upstream.refuse().await;

    for control in controls {
        let answer = proxy.get(target(control)).send().await;
        answer.expect_status(504).usually(FORBIDDEN);
        answer.expect_body_lacks("old");
    }
}

#[tokio::test]
async fn nor_when_the_upstream_answers_with_an_error() {
    let controls = ["must-revalidate", "proxy-revalidate", "no-cache"];
    let replies = controls.map(|control| {
        let control = format!("{control}, stale-if-error=600");
        [old(&control), Reply::text(503, "busy")]
    });
    let upstream = Upstream::script(replies.into_iter().flatten()).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    for control in controls {
        proxy.get(target(control)).send().await.expect_body("old");
        let status = proxy.get(target(control)).send().await.status;
        expect(
            [503, 504].contains(&status),
            format!("the upstream's 503, or 504, but it is {status}"),
        )
        .usually(FORBIDDEN);
    }
}

mod given {
    use super::*;

    #[tokio::test]
    async fn what_is_stale_is_the_answer_instead_of_an_error() {
        let failing = [500, 502, 503, 504].map(|status| Reply::text(status, "busy"));
        let replies = [old("stale-if-error=600")].into_iter().chain(failing);
        let (upstream, proxy) = stored(replies).await;

        for n in 2..6 {
            let answer = proxy.get("/").send().await;
            answer.expect_status(200);
            answer.expect_body("old");
            upstream.expect_requests(n);
        }
    }

    #[tokio::test]
    async fn and_when_there_is_no_connection_or_no_answer() {
        let (upstream, proxy) = stored([old("stale-if-error=600"), Reply::close()]).await;
        proxy.get("/").send().await.expect_body("old");
        upstream.refuse().await;
        proxy.get("/").send().await.expect_body("old");
    }

    #[tokio::test]
    async fn only_errors_of_the_server_count() {
        let gone = [403, 404, 410].map(|status| Reply::text(status, "gone"));
        let replies = [old("stale-if-error=600")].into_iter().chain(gone);
        let (_upstream, proxy) = stored(replies).await;

        for status in [403, 404, 410] {
            proxy.get("/").send().await.expect_status(status);
        }
    }

    #[tokio::test]
    async fn the_windows_end() {
        let (upstream, proxy) = stored([old("stale-while-revalidate=10"), new()]).await;
        proxy.get("/").send().await.expect_body("new");
        upstream.expect_requests(2);

        let (upstream, proxy) = stored([old("stale-if-error=10")]).await;
        upstream.refuse().await;
        let status = proxy.get("/").send().await.status;
        expect(
            [502, 504].contains(&status),
            format!("502 or 504, but it is {status}"),
        );
    }

    #[tokio::test]
    async fn what_must_be_validated_is_validated_first() {
        let controls = [
            "must-revalidate",
            "proxy-revalidate",
            "no-cache",
            "s-maxage=60",
        ];
        let replies = controls.map(|control| {
            let control = format!("{control}, stale-while-revalidate=600");
            [old(&control), new()]
        });
        let upstream = Upstream::script(replies.into_iter().flatten()).await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

        for control in controls {
            proxy.get(target(control)).send().await.expect_body("old");
            let second = proxy.get(target(control)).send().await;
            second.expect_body("new").usually(FORBIDDEN);
        }
    }

    #[tokio::test]
    async fn without_permission_there_is_none() {
        let (upstream, proxy) = stored([old("public")]).await;
        upstream.refuse().await;

        let status = proxy.get("/").send().await.status;
        expect(
            [502, 504].contains(&status),
            format!("502 or 504, but it is {status}"),
        );
    }

    #[tokio::test]
    async fn an_error_is_an_error_where_nothing_is_stored() {
        let upstream = Upstream::refusing().await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

        proxy.get("/").send().await.expect_status(502);
    }

    #[tokio::test]
    async fn what_is_fresh_is_not_asked_for() {
        let upstream = Upstream::script([new(), Reply::text(200, "newer")]).await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

        proxy.get("/").send().await.expect_body("new");
        proxy.get("/").send().await.expect_body("new");
        upstream.expect_requests(1);
    }
}
