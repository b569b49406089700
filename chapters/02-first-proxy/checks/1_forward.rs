//! 2.1 What the client sends arrives as it was sent, and what the upstream answers comes back as it was answered.

use lab::{Proxy, Reply, Upstream};

const EXERCISE: &str = "2-1";

#[tokio::test]
async fn the_target_arrives_byte_for_byte() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    proxy
        .get("/a%2Fb/../c//d?x=1&y=%20&x=2")
        .send()
        .await
        .expect_status(200);

    upstream
        .last_request()
        .expect_target("/a%2Fb/../c//d?x=1&y=%20&x=2")
        .usually("a proxy does not tidy up: path and query go on as they came");
}

#[tokio::test]
async fn the_method_arrives() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    proxy.request("PATCH", "/").send().await.expect_status(200);

    upstream.last_request().expect_method("PATCH");
}

#[tokio::test]
async fn headers_arrive() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    proxy
        .get("/")
        .header("host", "shop.example")
        .header("accept", "text/html")
        .header("x-colour", "blue")
        .send()
        .await
        .expect_status(200);

    let request = upstream.last_request();
    request.expect_header("host", "shop.example");
    request.expect_header("accept", "text/html");
    request.expect_header("x-colour", "blue");
}

#[tokio::test]
async fn a_body_with_a_length_arrives() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    let body: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();

    proxy
        .post("/")
        .body(body.clone())
        .send()
        .await
        .expect_status(200);

    upstream.last_request().expect_body(body);
}

#[tokio::test]
async fn a_chunked_body_arrives() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    proxy
        .post("/")
        .chunked(["one ", "two ", "three"])
        .send()
        .await
        .expect_status(200);

    upstream.last_request().expect_body("one two three");
}

#[tokio::test]
async fn status_headers_and_body_come_back() {
    let answer = Reply::text(418, "short and stout")
        .header("x-pot", "tea")
        .header("set-cookie", "a=1")
        .header("set-cookie", "b=2");
    let upstream = Upstream::always(answer).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    let answer = proxy.get("/").send().await;

    answer.expect_status(418);
    answer.expect_header("x-pot", "tea");
    answer.expect_list("set-cookie", ["a=1", "b=2"]);
    answer.expect_body("short and stout");
}

#[tokio::test]
async fn the_first_piece_comes_before_the_last_is_sent() {
    // The upstream keeps the second piece back until it is released.
    let upstream = Upstream::always(Reply::pieces(["first ", "second"])).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    let mut answer = proxy.get("/").start().await;
    answer.expect_status(200);
    answer
        .expect_piece("first ")
        .await
        .usually("a body filter that collects pieces until the end makes the client wait for the slowest one");
    upstream.release();

    answer.finish().await.expect_body("first second");
}

#[tokio::test]
async fn every_request_goes_to_the_first_upstream() {
    let (first, second) = (Upstream::echo().await, Upstream::echo().await);
    let proxy = Proxy::of(EXERCISE).in_front_of_all([&first, &second]).await;

    for _ in 0..4 {
        proxy.get("/").send().await.expect_status(200);
    }

    first.expect_requests(4);
    second.expect_no_request();
}

#[tokio::test]
async fn no_header_is_added_or_lost() {
    let answer = Reply::text(404, "no")
        .header("server", "shop")
        .header("etag", "x");
    let upstream = Upstream::always(answer).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    let answer = proxy
        .get("/?")
        .header("host", "shop.example")
        .header("accept-encoding", "br")
        .header("authorization", "Basic eDp5")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .send()
        .await;

    answer.expect_status(404);
    answer.expect_list("server", ["shop"]);
    answer.expect_header("etag", "x");
    let request = upstream.last_request();
    request.expect_target("/?");
    request.expect_list("cookie", ["a=1", "b=2"]);
    let names: Vec<_> = request
        .headers
        .iter()
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect();
    lab::expect(
        names
            == [
                "host",
                "accept-encoding",
                "authorization",
                "cookie",
                "cookie",
            ],
        format!("the five headers that the client sent, but the upstream got {names:?}"),
    );
}

#[tokio::test]
async fn every_method_arrives() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    for method in ["HEAD", "DELETE", "OPTIONS", "PURGE"] {
        proxy.request(method, "/").send().await.expect_status(200);
        upstream.last_request().expect_method(method);
    }
}
