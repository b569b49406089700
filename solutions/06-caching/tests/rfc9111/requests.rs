//! RFC 9111, section 5.2.1: what a request asks of the cache; RFC 8246: immutable.

use super::*;

/// Stores a response with these headers at an address of its own for each row, then asks for it so. Whether the store
/// was enough.
async fn expect_enough(stored: &[(&str, &str)], rows: &[(&str, bool)]) {
    let replies = rows.iter().flat_map(|(_, enough)| {
        let again = (!enough).then(|| Reply::text(200, "two"));
        std::iter::once(reply(stored)).chain(again)
    });
    let (upstream, proxy) = demo(replies).await;
    let mut expected = 0;
    for (at, (asked, enough)) in rows.iter().enumerate() {
        let path = format!("/{at}");
        proxy.get(&path).send().await;
        proxy
            .get(&path)
            .header("Cache-Control", *asked)
            .send()
            .await;
        expected += if *enough { 1 } else { 2 };
        let what = format!("'{asked}' is answered from the store with {stored:?}: {enough}");
        proxy.expect(upstream.requests().len() == expected, what);
    }
}

const HOUR: (&str, &str) = ("Cache-Control", "max-age=3600");

#[tokio::test]
async fn no_cache_asks_the_origin() {
    expect_enough(
        &[HOUR],
        &[
            ("no-cache", false),
            ("NO-CACHE", false),
            ("x, no-cache", false),
        ],
    )
    .await;
}

#[tokio::test]
async fn pragma_counts_where_there_is_no_cache_control() {
    let (upstream, proxy) = demo([fresh()]).await;
    proxy.get("/").send().await;
    proxy.get("/").header("Pragma", "no-cache").send().await;
    upstream.expect_requests(2);
    let both = proxy
        .get("/")
        .header("Pragma", "no-cache")
        .header("Cache-Control", "max-age=60");
    both.send().await;
    upstream.expect_requests(2);
    for other in ["max-age=0", "no-store", "min-fresh=9999"] {
        proxy.get("/").header("Pragma", other).send().await;
    }
    upstream.expect_requests(2);
    let unknown = proxy.get("/x").header("Pragma", "only-if-cached");
    unknown.send().await.expect_status(200);
}

#[tokio::test]
async fn max_age_bounds_the_age() {
    let old = [HOUR, ("Age", "1800")];
    expect_enough(
        &old,
        &[
            ("max-age=1700", false),
            ("max-age=1900", true),
            ("max-age=0", false),
            ("max-age=x", false),
        ],
    )
    .await;
    expect_enough(
        &[HOUR],
        &[
            ("max-age=0", false),
            ("max-age=60", true),
            ("MAX-AGE=60", true),
        ],
    )
    .await;
}

#[tokio::test]
async fn min_fresh_bounds_what_is_left() {
    let old = [HOUR, ("Age", "1800")];
    expect_enough(
        &old,
        &[
            ("min-fresh=1900", false),
            ("min-fresh=1700", true),
            ("min-fresh=x", false),
        ],
    )
    .await;
}

#[tokio::test]
async fn max_stale_takes_what_is_stale() {
    let old = [
        ("Cache-Control", "max-age=100"),
        ("Age", "200"),
        ("ETag", "\"1\""),
    ];
    expect_enough(
        &old,
        &[
            ("max-stale", true),
            ("max-stale=200", true),
            ("max-stale=50", false),
            ("max-stale=x", false),
            ("max-stale=200, max-stale=1", false),
            ("max-stale, no-cache", false),
            ("", false),
        ],
    )
    .await;
}

#[tokio::test]
async fn max_stale_does_not_take_what_must_be_validated() {
    for strict in [
        "must-revalidate",
        "proxy-revalidate",
        "no-cache",
        "s-maxage=100",
    ] {
        let directives = format!("max-age=100, {strict}");
        let old = [
            ("Cache-Control", directives.as_str()),
            ("Age", "200"),
            ("ETag", "\"1\""),
        ];
        expect_enough(&old, &[("max-stale", false)]).await;
    }
}

#[tokio::test]
async fn what_is_taken_stale_says_so() {
    let (_upstream, proxy) = demo([stale(""), Reply::text(200, "two")]).await;
    proxy.get("/").send().await;
    let answer = proxy
        .get("/")
        .header("Cache-Control", "max-stale")
        .send()
        .await;
    proxy.expect(answer.says("hit"), "a hit");
    proxy.expect(
        answer.number("ttl").is_some_and(|ttl| ttl < 0),
        "a ttl below 0",
    );
    answer.expect_header_where("age", "200 or more", |age| {
        age.parse().is_ok_and(|age: u32| age >= 200)
    });
}

#[tokio::test]
async fn only_if_cached_is_504_without_a_stored_response() {
    let (upstream, proxy) = demo([fresh()]).await;
    let ask = || proxy.get("/").header("Cache-Control", "only-if-cached");
    ask().send().await.expect_status(504);
    upstream.expect_no_request();
    proxy.get("/").send().await;
    ask().send().await.expect_status(200).expect_body("one");
    upstream.expect_requests(1);
}

#[tokio::test]
async fn only_if_cached_is_504_where_it_would_have_to_ask() {
    let (upstream, proxy) = demo([stale("")]).await;
    proxy.get("/").send().await;
    proxy
        .get("/")
        .header("Cache-Control", "only-if-cached")
        .send()
        .await
        .expect_status(504);
    proxy
        .get("/")
        .header("Cache-Control", "only-if-cached, max-stale")
        .send()
        .await
        .expect_status(200);
    upstream.expect_requests(1);
}

#[tokio::test]
async fn only_if_cached_leaves_the_way_free_for_others() {
    let (upstream, proxy) = demo([fresh()]).await;
    proxy
        .get("/")
        .header("Cache-Control", "only-if-cached")
        .send()
        .await
        .expect_status(504);
    proxy.get("/").send().await.expect_status(200);
    upstream.expect_requests(1);
}

#[tokio::test]
async fn no_store_stores_nothing_of_the_answer() {
    let (upstream, proxy) = demo([
        fresh(),
        Reply::text(200, "two").header("Cache-Control", "max-age=60"),
    ])
    .await;
    proxy
        .get("/")
        .header("Cache-Control", "no-store")
        .send()
        .await
        .expect_body("one");
    proxy.get("/").send().await.expect_body("two");
    upstream.expect_requests(2);
}

#[tokio::test]
async fn no_store_takes_what_is_stored() {
    expect_enough(&[HOUR], &[("no-store", true)]).await;
}

#[tokio::test]
async fn no_store_updates_nothing_that_is_stored() {
    let (upstream, proxy) = demo([stale(""), fresh(), Reply::status(304)]).await;
    proxy.get("/").send().await;
    let other = proxy
        .get("/")
        .header("Cache-Control", "no-store")
        .send()
        .await;
    other.expect_body("one");
    proxy.get("/").send().await.expect_status(200);
    upstream.expect_requests(3);
    upstream
        .last_request()
        .expect_header("if-none-match", "\"1\"");
}

#[tokio::test]
async fn a_request_that_is_not_stored_goes_on_with_its_own_conditions() {
    let (upstream, proxy) = demo([Reply::status(304)]).await;
    let request = proxy
        .get("/")
        .header("Cache-Control", "no-store")
        .header("If-None-Match", "\"x\"");
    request
        .header("Range", "bytes=0-1")
        .send()
        .await
        .expect_status(304);
    let seen = upstream.last_request();
    seen.expect_header("if-none-match", "\"x\"")
        .expect_header("range", "bytes=0-1");
}

#[tokio::test]
async fn immutable_is_not_asked_about_on_reload() {
    let immutable = [
        ("Cache-Control", "max-age=3600, immutable"),
        ("ETag", "\"1\""),
    ];
    expect_enough(&immutable, &[("max-age=0", true), ("no-cache", false)]).await;
    let old = [
        ("Cache-Control", "max-age=100, immutable"),
        ("Age", "200"),
        ("ETag", "\"1\""),
    ];
    expect_enough(&old, &[("max-age=0", false), ("", false)]).await;
}

#[tokio::test]
async fn directives_of_responses_mean_nothing_in_requests() {
    expect_enough(
        &[HOUR],
        &[
            ("private", true),
            ("must-revalidate", true),
            ("x-foo", true),
            ("s-maxage=0", true),
        ],
    )
    .await;
}
