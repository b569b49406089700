//! RFC 9111, section 4.3.2, and RFC 9110, section 13: conditions of clients against what is stored.

use super::*;

const OLD: &str = "Mon, 01 Jan 2018 00:00:00 GMT";
const LM: &str = "Tue, 01 Jan 2019 00:00:00 GMT";
const NEW: &str = "Wed, 01 Jan 2020 00:00:00 GMT";

type Fields<'a> = &'a [(&'a str, &'a str)];

/// Stored and fresh with these headers, then asked for with those: the status that the client gets from the store.
async fn expect_statuses(stored: Fields<'_>, rows: &[(Fields<'_>, u16)]) {
    let (upstream, proxy) = demo([with(fresh(), stored)]).await;
    proxy.get("/").send().await;
    for (asked, expected) in rows {
        let request = asked.iter().fold(proxy.get("/"), |request, (name, value)| {
            request.header(*name, *value)
        });
        let found = request.send().await.status;
        let what = format!("{asked:?} against {stored:?}: {expected}, not {found}");
        proxy.expect(found == *expected, what);
    }
    upstream.expect_requests(1);
}

#[tokio::test]
async fn if_none_match_is_compared_weakly() {
    let inm = |value| [("If-None-Match", value)];
    for stored in ["\"a\"", "W/\"a\""] {
        expect_statuses(
            &[("ETag", stored)],
            &[
                (&inm("\"a\""), 304),
                (&inm("W/\"a\""), 304),
                (&inm("\"b\""), 200),
                (&inm("\"b\", \"a\""), 304),
                (&inm("\"b\",W/\"a\" , \"c\""), 304),
                (&inm("*"), 304),
                (&inm("\"A\""), 200),
                (&inm("a"), 200),
                (&inm("\"a"), 200),
                (
                    &[("If-None-Match", "\"b\""), ("If-None-Match", "\"a\"")],
                    304,
                ),
            ],
        )
        .await;
    }
}

#[tokio::test]
async fn a_comma_may_stand_in_a_tag() {
    let inm = |value| [("If-None-Match", value)];
    expect_statuses(
        &[("ETag", "\"a,b\"")],
        &[(&inm("\"a,b\""), 304), (&inm("\"a\", \"b\""), 200)],
    )
    .await;
}

#[tokio::test]
async fn any_byte_may_stand_in_a_tag() {
    let inm = |value| [("If-None-Match", value)];
    expect_statuses(
        &[("ETag", "\"caf\u{e9} \\\"")],
        &[
            (&inm("W/\"x\", \"caf\u{e9} \\\""), 304),
            (&inm("\"caf\u{e8} \\\""), 200),
        ],
    )
    .await;
}

#[tokio::test]
async fn if_none_match_without_a_stored_tag_is_not_met() {
    expect_statuses(
        &[("Last-Modified", LM)],
        &[(&[("If-None-Match", "\"a\"")], 200)],
    )
    .await;
}

#[tokio::test]
async fn if_modified_since_is_compared_with_last_modified() {
    let ims = |value| [("If-Modified-Since", value)];
    expect_statuses(
        &[("Last-Modified", LM)],
        &[
            (&ims(LM), 304),
            (&ims(NEW), 304),
            (&ims(OLD), 200),
            (&ims("yesterday"), 200),
            (&ims("Tuesday, 01-Jan-19 00:00:00 GMT"), 304),
        ],
    )
    .await;
}

#[tokio::test]
async fn if_modified_since_is_compared_with_the_date_where_nothing_else_is_known() {
    let made = date(-100);
    let (before, after) = (date(-1000), date(-50));
    expect_statuses(
        &[("Date", &made)],
        &[
            (&[("If-Modified-Since", before.as_str())], 200),
            (&[("If-Modified-Since", after.as_str())], 304),
        ],
    )
    .await;
}

#[tokio::test]
async fn if_none_match_goes_before_if_modified_since() {
    let stored = [("ETag", "\"a\""), ("Last-Modified", LM)];
    expect_statuses(
        &stored,
        &[
            (
                &[("If-None-Match", "\"b\""), ("If-Modified-Since", NEW)],
                200,
            ),
            (
                &[("If-None-Match", "\"a\""), ("If-Modified-Since", OLD)],
                304,
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_304_has_the_fields_that_it_must_have_and_no_body() {
    let fields = [
        ("ETag", "\"a\""),
        ("Vary", "x-a"),
        ("Content-Location", "/c"),
        ("Expires", "0"),
    ];
    let (_upstream, proxy) = demo([with(fresh(), &fields)]).await;
    proxy.get("/").send().await;
    let answer = proxy.get("/").header("If-None-Match", "\"a\"").send().await;
    answer
        .expect_status(304)
        .expect_body("")
        .expect_header("cache-control", "max-age=3600");
    answer.expect_header_where("date", "a date", |it| !it.is_empty());
    answer.expect_header_where("age", "an age", |it| !it.is_empty());
    for (name, value) in fields {
        answer.expect_header(name, value);
    }
}

#[tokio::test]
async fn a_head_is_conditional_too() {
    let (upstream, proxy) = demo([with(fresh(), &[("ETag", "\"a\"")])]).await;
    proxy.get("/").send().await;
    proxy
        .head("/")
        .header("If-None-Match", "\"a\"")
        .send()
        .await
        .expect_status(304);
    upstream.expect_requests(1);
}

#[tokio::test]
async fn only_a_200_can_be_not_modified() {
    let (_upstream, proxy) = demo([with(
        Reply::text(404, "no"),
        &[("Cache-Control", "max-age=60"), ("ETag", "\"a\"")],
    )])
    .await;
    proxy.get("/").send().await;
    proxy
        .get("/")
        .header("If-None-Match", "\"a\"")
        .send()
        .await
        .expect_status(404);
}

#[tokio::test]
async fn the_whole_is_asked_for_and_stored_when_nothing_is() {
    let (upstream, proxy) = demo([with(fresh(), &[("ETag", "\"a\"")])]).await;
    proxy
        .get("/")
        .header("If-None-Match", "\"a\"")
        .send()
        .await
        .expect_status(304)
        .expect_body("");
    upstream.last_request().expect_no_header("if-none-match");
    proxy
        .get("/")
        .send()
        .await
        .expect_status(200)
        .expect_body("one");
    upstream.expect_requests(1);
}

#[tokio::test]
async fn what_was_asked_about_upstream_is_judged_by_the_clients_condition() {
    let again = Reply::status(304).header("Cache-Control", "max-age=3600");
    let (_upstream, proxy) = demo([stale(""), again]).await;
    proxy.get("/").send().await;
    proxy
        .get("/")
        .header("If-None-Match", "\"1\"")
        .send()
        .await
        .expect_status(304);
    proxy
        .get("/")
        .header("If-None-Match", "\"2\"")
        .send()
        .await
        .expect_status(200)
        .expect_body("one");
}

#[tokio::test]
async fn preconditions_are_the_origins() {
    for name in ["If-Match", "If-Unmodified-Since"] {
        let (upstream, proxy) = demo([fresh(), Reply::status(412)]).await;
        proxy.get("/").send().await;
        proxy
            .get("/")
            .header(name, "\"x\"")
            .send()
            .await
            .expect_status(412);
        upstream.last_request().expect_header(name, "\"x\"");
        proxy.get("/").send().await.expect_body("one");
        upstream.expect_requests(2);
    }
}
