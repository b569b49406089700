//! 2.4 One id names a request to the upstream, to the client and in the log.

use lab::{Proxy, Reply, Upstream, expect};

const EXERCISE: &str = "2-4";

const WELL_FORMED: &str = "the id ends up in logs, commands and other people's screens: keep only 1 to 64 of A-Z a-z 0-9 - _ .";

/// The id that the upstream saw.
fn id_at(upstream: &Upstream) -> String {
    upstream
        .last_request()
        .header("x-request-id")
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test]
async fn the_client_is_told_the_id_that_the_upstream_got() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    let answer = proxy.get("/").send().await;

    answer
        .expect_header("x-request-id", id_at(&upstream))
        .usually("make the id once, keep it in CTX, and use that one everywhere");
}

#[tokio::test]
async fn the_client_is_told_its_own_id() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    proxy
        .get("/")
        .header("x-request-id", "order-42")
        .send()
        .await
        .expect_header("x-request-id", "order-42");
}

#[tokio::test]
async fn an_error_carries_the_id_too() {
    let upstream = Upstream::refusing().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    let answer = proxy
        .get("/")
        .header("x-request-id", "order-42")
        .send()
        .await;

    answer.expect_status(502);
    answer.expect_header("x-request-id", "order-42").usually(
        "response_filter does not run for answers of the proxy itself; fail_to_proxy writes those",
    );
}

#[tokio::test]
async fn the_log_has_one_line_with_the_id() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    for id in ["the-first", "the-second"] {
        proxy
            .get("/")
            .header("x-request-id", id)
            .send()
            .await
            .expect_header("x-request-id", id);
    }

    // When the second request is in the log, every line of the first one is.
    proxy.wait_for_log("id=the-second").await;
    let lines = proxy.log_lines_with("id=the-first").len();
    expect(
        lines == 1,
        format!("one log line with id=the-first, but there are {lines}"),
    )
    .usually("logging runs once, at the end, whatever happened before");
}

#[tokio::test]
async fn a_failure_is_one_line_with_the_same_id() {
    let upstream = Upstream::refusing().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    let first = proxy.get("/").send().await;
    first.expect_header_where("x-request-id", "an id", |id| !id.is_empty());
    let id = first.header("x-request-id").unwrap_or_default().to_owned();
    proxy
        .get("/")
        .header("x-request-id", "the-second")
        .send()
        .await;

    proxy.wait_for_log("id=the-second").await;
    let lines = proxy.log_lines_with(&format!("id={id}")).len();
    expect(
        lines == 1,
        format!("one log line with id={id}, but there are {lines}"),
    );
}

#[tokio::test]
async fn the_client_gets_one_id_whatever_the_upstream_says() {
    let upstream =
        Upstream::always(Reply::text(404, "no").header("x-request-id", "made-upstream")).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    proxy
        .get("/")
        .header("x-request-id", "order-42")
        .send()
        .await
        .expect_list("x-request-id", ["order-42"])
        .usually("insert_header replaces what the upstream wrote; append_header adds to it");
}

#[tokio::test]
async fn a_replacement_is_new_and_well_formed() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    let mut seen = Vec::new();
    for malformed in ["a=b", "a:b", "a@b", "a=b"] {
        proxy
            .get("/")
            .header("x-request-id", malformed)
            .send()
            .await
            .expect_status(200);
        let id = id_at(&upstream);
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        expect(
            (1..=64).contains(&id.len()) && id.bytes().all(good),
            format!("a new id instead of {malformed:?}, but the upstream got {id:?}"),
        )
        .usually(WELL_FORMED);
        seen.push(id);
    }
    seen.sort();
    seen.dedup();
    expect(
        seen.len() == 4,
        "a different id each time: one that is cleaned up or fixed is not new",
    );
}

#[tokio::test]
async fn a_malformed_id_is_replaced() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    let long = "x".repeat(65);
    for malformed in [
        "two words",
        "a;b",
        "\"quoted\"",
        "{}",
        "../../etc",
        "caf\u{e9}",
        "",
        long.as_str(),
    ] {
        proxy
            .get("/")
            .header("x-request-id", malformed)
            .send()
            .await
            .expect_status(200);
        upstream
            .last_request()
            .expect_header_where(
                "x-request-id",
                "a new id, since the client's is malformed",
                |id| id != malformed,
            )
            .usually(WELL_FORMED);
    }
}

#[tokio::test]
async fn two_ids_are_none() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    proxy
        .get("/")
        .header("x-request-id", "one")
        .header("x-request-id", "two")
        .send()
        .await
        .expect_status(200);

    let request = upstream.last_request();
    let ids = request.header_all("x-request-id");
    expect(
        ids.len() == 1 && !["one", "two", "one, two"].contains(&ids[0]),
        format!("one new id, but the upstream got {ids:?}"),
    )
    .usually("headers.get gives the first of several lines; get_all gives all of them");
}

mod given {
    use super::*;

    #[tokio::test]
    async fn the_upstream_gets_an_id_for_each_request() {
        let upstream = Upstream::echo().await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

        proxy.get("/").send().await.expect_status(200);
        let first = id_at(&upstream);
        proxy.get("/").send().await.expect_status(200);

        expect(
            !first.is_empty() && first != id_at(&upstream),
            "a different id for each request",
        );
    }

    #[tokio::test]
    async fn the_upstream_gets_a_well_formed_id_of_the_client() {
        let upstream = Upstream::echo().await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

        let longest = format!("aZ-09_.{}", "x".repeat(57));
        for id in ["order-42", "7", longest.as_str()] {
            proxy
                .get("/")
                .header("x-request-id", id)
                .send()
                .await
                .expect_status(200);
            upstream.last_request().expect_header("x-request-id", id);
        }
    }
}
