//! RFC 9211: Cache-Status.

use super::*;

async fn expect_says(answer: &Response, parameters: &[&str]) {
    for parameter in parameters {
        let status = answer.cache_status();
        lab::expect(
            answer.says(parameter),
            format!("{parameter} in Cache-Status, which is: {status}"),
        );
    }
}

#[tokio::test]
async fn a_miss_is_forwarded_and_stored() {
    let (_upstream, proxy) = demo([fresh()]).await;
    let answer = proxy.get("/").send().await;
    expect_says(
        &answer,
        &["edge", "fwd=uri-miss", "fwd-status=200", "stored"],
    )
    .await;
    lab::expect(!answer.says("hit"), "no hit");
}

#[tokio::test]
async fn a_hit_is_a_hit_and_has_a_ttl() {
    let (_upstream, proxy) = demo([with(fresh(), &[("Age", "600")])]).await;
    proxy.get("/").send().await;
    let answer = proxy.get("/").send().await;
    expect_says(&answer, &["edge", "hit"]).await;
    let ttl = answer.number("ttl").unwrap_or_default();
    lab::expect(
        (2950..=3000).contains(&ttl),
        format!("a ttl of about 3000, not {ttl}"),
    );
    lab::expect(!answer.cache_status().contains("fwd"), "not forwarded");
}

#[tokio::test]
async fn reasons_are_told_apart() {
    let vary = with(fresh(), &[("Vary", "Foo")]);
    let (_upstream, proxy) = demo([vary]).await;
    proxy.get("/").header("Foo", "1").send().await;
    expect_says(
        &proxy.get("/").header("Foo", "2").send().await,
        &["fwd=vary-miss", "stored"],
    )
    .await;
    let asked = proxy
        .get("/")
        .header("Foo", "1")
        .header("Cache-Control", "no-cache");
    expect_says(&asked.send().await, &["fwd=request"]).await;
    expect_says(&proxy.post("/").send().await, &["fwd=method"]).await;
    expect_says(
        &proxy.get("/").header("If-Match", "*").send().await,
        &["fwd=bypass"],
    )
    .await;
}

#[tokio::test]
async fn what_was_validated_says_how() {
    let again = Reply::status(304).header("Cache-Control", "max-age=3600");
    let (_upstream, proxy) = demo([stale(""), again]).await;
    proxy.get("/").send().await;
    expect_says(
        &proxy.get("/").send().await,
        &["fwd=stale", "fwd-status=304", "stored"],
    )
    .await;
}

#[tokio::test]
async fn what_is_not_stored_says_why() {
    let rows = [
        ("Cache-Control", "no-store", "no-store"),
        ("Cache-Control", "private", "private"),
        ("Vary", "*", "vary"),
        ("Set-Cookie", "a=b", "set-cookie"),
    ];
    let replies = rows.map(|(header, value, _)| reply(&[(header, value)]));
    let (_upstream, proxy) = demo(replies).await;
    for (_, _, why) in rows {
        let answer = proxy.get("/").send().await;
        expect_says(&answer, &["fwd=uri-miss", &format!("detail={why}")]).await;
        lab::expect(!answer.says("stored"), "not stored");
    }
}

#[tokio::test]
async fn an_error_is_hidden_but_not_from_the_field() {
    let (_upstream, proxy) =
        demo([stale(", stale-if-error=1000"), Reply::text(503, "broken")]).await;
    proxy.get("/").send().await;
    let answer = proxy.get("/").send().await;
    expect_says(
        &answer,
        &["fwd=stale", "fwd-status=503", "detail=stale-if-error"],
    )
    .await;
}

#[tokio::test]
async fn other_caches_stay_before_it() {
    let (_upstream, proxy) = demo([with(fresh(), &[("Cache-Status", "Origin; hit")])]).await;
    for _ in 0..2 {
        let answer = proxy.get("/").send().await;
        answer.expect_header_where("cache-status", "Origin first", |it| {
            it.starts_with("Origin; hit, edge; ") && it.matches("edge").count() == 1
        });
    }
}

#[tokio::test]
async fn every_answer_has_it() {
    let (upstream, proxy) = demo([fresh(), with(fresh(), &[])]).await;
    let only = proxy
        .get("/x")
        .header("Cache-Control", "only-if-cached")
        .send()
        .await;
    expect_says(&only, &["fwd=uri-miss", "detail=only-if-cached"]).await;
    for request in [
        proxy.get("/"),
        proxy.head("/"),
        proxy.post("/"),
        proxy.request("OPTIONS", "/"),
    ] {
        let answer = request.send().await;
        lab::expect(
            answer.cache_status().starts_with("edge; "),
            "a Cache-Status of this cache",
        );
    }
    upstream.refuse().await;
    let failed = proxy.get("/gone").send().await;
    failed.expect_status(502);
    expect_says(&failed, &["fwd=uri-miss"]).await;
}
