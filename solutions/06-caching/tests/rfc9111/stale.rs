//! RFC 9111, section 4.2.4, and RFC 5861: stale responses.

use super::*;

/// Stored stale, then the upstream does this.
async fn second(directives: &str, then: Reply) -> Response {
    let mut answers = seconds([(directives.to_owned(), then)]).await;
    answers.remove(0)
}

/// The same for several, at an address of its own each.
async fn seconds(rows: impl IntoIterator<Item = (String, Reply)>) -> Vec<Response> {
    let rows = Vec::from_iter(rows);
    let replies = rows
        .iter()
        .map(|(directives, then)| [stale(directives), then.clone()]);
    let (_upstream, proxy) = demo(replies.flatten()).await;
    let mut answers = Vec::new();
    for at in 0..rows.len() {
        let path = format!("/{at}");
        proxy.get(&path).send().await.expect_body("one");
        answers.push(proxy.get(&path).send().await);
    }
    answers
}

/// What forbids that something stale is used.
const STRICT: [&str; 4] = [
    "must-revalidate",
    "proxy-revalidate",
    "s-maxage=100",
    "no-cache",
];

#[tokio::test]
async fn what_is_stale_is_asked_about() {
    let answer = second("", Reply::text(200, "two")).await;
    answer.expect_body("two");
}

#[tokio::test]
async fn stale_while_revalidate_answers_at_once_and_asks_behind() {
    let new = Reply::text(200, "two")
        .header("Cache-Control", "max-age=3600")
        .gate();
    let (upstream, proxy) = demo([stale(", stale-while-revalidate=1000"), new]).await;
    proxy.get("/").send().await;
    let answer = proxy.get("/").send().await;
    answer.expect_body("one");
    proxy.expect(answer.says("hit"), "a hit");
    upstream.wait_for_requests(2).await;
    upstream
        .last_request()
        .expect_header("if-none-match", "\"1\"");
    // Who comes meanwhile gets the old one too, and nobody asks a second time.
    proxy.get("/").send().await.expect_body("one");
    upstream.release();
    lab::eventually("the new answer", async || {
        proxy.get("/").send().await.text() == "two"
    })
    .await;
    upstream.expect_requests(2);
}

#[tokio::test]
async fn stale_while_revalidate_ends() {
    let (upstream, proxy) = demo([
        stale(", stale-while-revalidate=50"),
        Reply::text(200, "two"),
    ])
    .await;
    proxy.get("/").send().await;
    proxy.get("/").send().await.expect_body("two");
    upstream.expect_requests(2);
}

#[tokio::test]
async fn stale_while_revalidate_is_not_for_what_must_be_validated() {
    let rows = STRICT.map(|strict| {
        let directives = format!(", stale-while-revalidate=1000, {strict}");
        (directives, Reply::text(200, "two"))
    });
    for answer in seconds(rows).await {
        answer.expect_body("two");
    }
}

#[tokio::test]
async fn stale_while_revalidate_gives_way_to_the_client() {
    for asked in ["no-cache", "max-age=10"] {
        let (_upstream, proxy) = demo([
            stale(", stale-while-revalidate=1000"),
            Reply::text(200, "two"),
        ])
        .await;
        proxy.get("/").send().await;
        proxy
            .get("/")
            .header("Cache-Control", asked)
            .send()
            .await
            .expect_body("two");
    }
}

#[tokio::test]
async fn a_head_answered_stale_lets_a_get_ask_behind() {
    let (upstream, proxy) =
        demo([stale(", stale-while-revalidate=1000"), Reply::status(304)]).await;
    proxy.get("/").send().await;
    proxy.head("/").send().await.expect_status(200);
    upstream.wait_for_requests(2).await;
    upstream.last_request().expect_method("GET");
}

#[tokio::test]
async fn stale_if_error_hides_errors() {
    let broken = [500, 502, 503, 504].map(|status| Reply::text(status, "broken"));
    let rows = broken.map(|broken| (", stale-if-error=1000".to_owned(), broken));
    for answer in seconds(rows).await {
        answer.expect_status(200).expect_body("one");
    }
}

#[tokio::test]
async fn stale_if_error_is_for_errors_of_the_server() {
    let statuses = [404, 410, 501, 505];
    let no = statuses.map(|status| Reply::text(status, "no"));
    let rows = no.map(|no| (", stale-if-error=1000".to_owned(), no));
    for (answer, status) in seconds(rows).await.iter().zip(statuses) {
        answer.expect_status(status);
    }
}

#[tokio::test]
async fn stale_if_error_ends() {
    second(", stale-if-error=50", Reply::text(503, "broken"))
        .await
        .expect_status(503);
}

#[tokio::test]
async fn without_stale_if_error_an_error_is_passed_on() {
    second("", Reply::text(503, "broken"))
        .await
        .expect_status(503)
        .expect_body("broken");
}

#[tokio::test]
async fn a_client_may_ask_for_stale_if_error() {
    let (_upstream, proxy) = demo([stale(""), Reply::text(503, "broken")]).await;
    proxy.get("/").send().await;
    let ask = |value: &str| proxy.get("/").header("Cache-Control", value).send();
    ask("stale-if-error=1000")
        .await
        .expect_status(200)
        .expect_body("one");
    ask("stale-if-error=50").await.expect_status(503);
}

#[tokio::test]
async fn stale_if_error_hides_an_upstream_that_is_gone() {
    for gone in [
        Reply::close(),
        Reply::reset(),
        Reply::garbage().then_close(),
    ] {
        second(", stale-if-error=1000", gone)
            .await
            .expect_status(200)
            .expect_body("one");
    }
}

#[tokio::test]
async fn a_disconnected_cache_may_use_what_is_stale() {
    let (upstream, proxy) = demo([stale("")]).await;
    proxy.get("/").send().await;
    upstream.refuse().await;
    proxy
        .get("/")
        .send()
        .await
        .expect_status(200)
        .expect_body("one");
}

#[tokio::test]
async fn a_disconnected_cache_uses_it_for_so_long_only() {
    let upstream = Upstream::always(stale("")).await;
    let demo = Proxy::at_path(&*DEMO, "6-0").env("STALE_IF_DISCONNECTED_MS", 50_000);
    let proxy = demo.in_front_of(&upstream).await;
    proxy.get("/").send().await;
    upstream.refuse().await;
    proxy.get("/").send().await.expect_status(504);
}

#[tokio::test]
async fn what_must_be_validated_and_cannot_be_is_504() {
    let replies = STRICT.map(|strict| stale(&format!(", stale-if-error=1000, {strict}")));
    let (upstream, proxy) = demo(replies).await;
    for strict in STRICT {
        proxy
            .get(format!("/{strict}"))
            .send()
            .await
            .expect_body("one");
    }
    upstream.refuse().await;
    for strict in STRICT {
        proxy
            .get(format!("/{strict}"))
            .send()
            .await
            .expect_status(504);
    }
}

#[tokio::test]
async fn what_must_be_validated_does_not_hide_errors() {
    let rows = STRICT.map(|strict| {
        let directives = format!(", stale-if-error=1000, {strict}");
        (directives, Reply::text(503, "broken"))
    });
    for answer in seconds(rows).await {
        answer.expect_status(503);
    }
}

#[tokio::test]
async fn must_revalidate_does_not_matter_while_it_is_fresh() {
    let row = |value| [("Cache-Control", value)];
    expect_reused(
        200,
        &[
            (&row("max-age=3600, must-revalidate"), true),
            (&row("max-age=3600, proxy-revalidate"), true),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_stale_answer_has_its_age() {
    let answer = second(", stale-if-error=1000", Reply::text(503, "broken")).await;
    answer.expect_header_where("age", "200 or more", |age| {
        age.parse().is_ok_and(|age: u32| age >= 200)
    });
}
