//! 2.2 `/healthz` says that the proxy is alive. It asks nobody.

use lab::{Proxy, Upstream};

const EXERCISE: &str = "2-2";

const OWN: &str =
    "request_filter runs before an upstream is chosen: answer there, and return Ok(true)";

/// Whether a list header has these items, in any order.
fn lists(value: &str, items: &[&str]) -> bool {
    let found: Vec<_> = value.split(',').map(str::trim).collect();
    items.iter().all(|item| found.contains(item))
}

#[tokio::test]
async fn it_answers_in_json() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    let answer = proxy.get("/healthz").send().await;

    answer.expect_status(200);
    answer.expect_json("/status", "ok").usually(OWN);
    answer.expect_header_where("content-type", "application/json", |value| {
        value.split(';').next() == Some("application/json")
    });
}

#[tokio::test]
async fn it_answers_when_every_upstream_is_gone() {
    let upstream = Upstream::refusing().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    proxy
        .get("/healthz")
        .send()
        .await
        .expect_status(200)
        .usually(OWN);
}

#[tokio::test]
async fn the_upstream_is_not_asked() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    proxy.get("/healthz").send().await.expect_status(200);

    upstream.expect_no_request().usually(OWN);
}

#[tokio::test]
async fn nobody_may_store_it() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    proxy
        .get("/healthz")
        .send()
        .await
        .expect_header_where("cache-control", "no-store", |value| {
            lists(value, &["no-store"])
        })
        .usually("an answer that a cache kept says that the proxy was alive, not that it is");
}

#[tokio::test]
async fn the_connection_stays_open() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    let client = proxy.client().await;

    for _ in 0..2 {
        client
            .get("/healthz")
            .send()
            .await
            .expect_json("/status", "ok")
            .usually("without Content-Length the body ends when the connection does");
    }
    client.expect_open().await;
}

#[tokio::test]
async fn head_tells_the_length_without_a_body() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    let length = proxy.get("/healthz").send().await.body.len().to_string();
    let mut wire = proxy.connect().await;
    wire.send(b"HEAD /healthz HTTP/1.1\r\nHost: edge.example\r\nConnection: close\r\n\r\n")
        .await;
    let answer = String::from_utf8_lossy(&wire.read_to_end().await).into_owned();

    upstream
        .expect_no_request()
        .usually("health checkers like HEAD: it is a GET without the body");
    lab::expect(
        answer.starts_with("HTTP/1.1 200"),
        format!("HEAD /healthz to be answered with 200, but the answer was {answer:?}"),
    );
    lab::expect(
        answer
            .to_ascii_lowercase()
            .contains(&format!("content-length: {length}\r\n")),
        format!("the Content-Length that GET has ({length}), but the answer was {answer:?}"),
    );
    lab::expect(
        answer.ends_with("\r\n\r\n"),
        format!("nothing after the header, but the answer was {answer:?}"),
    )
    .usually("an answer to HEAD never has a body (RFC 9110, section 9.3.2)");
}

#[tokio::test]
async fn other_methods_are_told_what_is_allowed() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    let answer = proxy.post("/healthz").send().await;

    answer.expect_status(405);
    answer
        .expect_header_where("allow", "GET, HEAD", |value| lists(value, &["GET", "HEAD"]))
        .usually("a 405 names the methods that work (RFC 9110, section 15.5.6)");
}

#[tokio::test]
async fn head_has_the_same_header() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    let client = proxy.client().await;

    let answer = client.head("/healthz").send().await;

    answer.expect_header_where("cache-control", "no-store", |value| {
        lists(value, &["no-store"])
    });
    answer.expect_header_where("content-type", "application/json", |value| {
        value.split(';').next() == Some("application/json")
    });
    client.expect_open().await;
}

#[tokio::test]
async fn every_other_method_is_refused_by_the_proxy() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    for method in ["PUT", "PATCH", "DELETE", "OPTIONS"] {
        proxy
            .request(method, "/healthz")
            .send()
            .await
            .expect_status(405)
            .usually(OWN);
    }

    upstream.expect_no_request().usually(OWN);
}

#[tokio::test]
async fn a_query_does_not_matter() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    proxy
        .get("/healthz?from=monitor")
        .send()
        .await
        .expect_json("/status", "ok")
        .usually(OWN);
}

mod given {
    use super::*;

    #[tokio::test]
    async fn other_paths_are_forwarded() {
        let upstream = Upstream::echo().await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

        for path in ["/", "/healthz/", "/healthz/deep", "/healthzzz", "/HEALTHZ"] {
            proxy.get(path).send().await.expect_status(200);
            upstream.last_request().expect_target(path);
        }
    }
}
