//! 6.6 What has not changed is not sent again, and a 304 brings the stored header up to date (RFC 9111, sections 3.2 and
//! 4.3).

use lab::{Proxy, Reply, Response, Upstream};

const EXERCISE: &str = "6-6";

const WEAK: &str = "If-None-Match compares weakly: W/ before either of the tags makes no difference (RFC 9110, section 8.8.3.2)";
const LIST: &str = "If-None-Match is a list of tags, on one line or several";
const WINS: &str =
    "If-Modified-Since is ignored where there is an If-None-Match (RFC 9110, section 13.1.3)";
const DATES: &str =
    "If-Modified-Since is a time to compare with, not a text: nothing is newer than it";
const REFRESH: &str = "each header of the 304 replaces all stored lines of its name; Pingora's merge takes Cache-Control, Expires and ETag only";
const LEFT_OUT: &str = "a 304 says nothing of the stored body, and what belongs to one connection, one proxy or one client is not stored (RFC 9111, section 3.1 has the list, and section 3.2)";

const EARLIER: &str = "Sun, 01 Feb 2026 10:00:00 GMT";
const CHANGED: &str = "Mon, 02 Feb 2026 10:00:00 GMT";
const LATER: &str = "Tue, 03 Feb 2026 10:00:00 GMT";

type Headers<'a> = &'a [(&'a str, &'a str)];

fn reply(status: u16, headers: Headers<'_>) -> Reply {
    let reply = if status == 304 {
        Reply::status(304)
    } else {
        Reply::text(status, "the page")
    };
    headers
        .iter()
        .fold(reply, |reply, (name, value)| reply.header(*name, *value))
}

/// The answer to a request with these conditions, when an answer with those headers is stored and fresh.
async fn answer(stored: Headers<'_>, conditions: Headers<'_>) -> Response {
    let upstream = Upstream::always(reply(200, stored).header("cache-control", "max-age=60")).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    proxy.get("/page").send().await.expect_body("the page");

    let get = proxy.get("/page");
    let get = conditions
        .iter()
        .fold(get, |get, (name, value)| get.header(*name, *value));
    let answer = get.send().await;
    upstream.expect_requests(1);
    answer
}

/// A proxy that has stored something stale with these headers, and validated it with a 304 with those.
async fn validated(stored: Headers<'_>, newer: Headers<'_>) -> (Upstream, Response, Proxy) {
    let stale = reply(200, stored)
        .header("cache-control", "max-age=60")
        .header("age", "100")
        .header("etag", "\"1\"");
    let upstream = Upstream::script([stale, reply(304, newer), reply(200, &[])]).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    proxy.get("/page").send().await.expect_body("the page");
    proxy.get("/page").send().await.expect_body("the page");

    let hit = proxy.get("/page").send().await;
    hit.expect_body("the page");
    (upstream, hit, proxy)
}

#[tokio::test]
async fn tags_are_compared_weakly() {
    for (stored, asked) in [("W/\"1\"", "\"1\""), ("\"1\"", "W/\"1\"")] {
        let answer = answer(&[("etag", stored)], &[("if-none-match", asked)]).await;
        answer.expect_status(304).usually(WEAK);
        answer.expect_header("etag", stored);
    }
}

#[tokio::test]
async fn tags_are_a_list() {
    for conditions in [
        &[("if-none-match", "\"0\", W/\"1\",\"2\"")][..],
        &[("if-none-match", "\"0\""), ("If-None-Match", "\"1\"")],
    ] {
        answer(&[("etag", "\"1\"")], conditions)
            .await
            .expect_status(304)
            .usually(LIST);
    }
}

#[tokio::test]
async fn an_asterisk_is_any_answer() {
    for stored in [&[("etag", "\"1\"")][..], &[]] {
        let any = answer(stored, &[("if-none-match", "*")]).await;
        any.expect_status(304)
            .usually("* means that the client has something, whatever it is");
    }
}

#[tokio::test]
async fn a_tag_wins_over_a_date() {
    let stored = [("etag", "\"1\""), ("last-modified", CHANGED)];
    let other = [("if-none-match", "\"0\""), ("if-modified-since", CHANGED)];
    answer(&stored, &other)
        .await
        .expect_status(200)
        .usually(WINS);
}

#[tokio::test]
async fn a_date_is_a_time() {
    let stored = [("last-modified", CHANGED)];
    // The same time as CHANGED in another form, and a later one.
    for since in [LATER, "Monday, 02-Feb-26 10:00:00 GMT"] {
        let answer = answer(&stored, &[("if-modified-since", since)]).await;
        answer.expect_status(304).usually(DATES);
    }
}

#[tokio::test]
async fn what_a_304_says_replaces_what_is_stored() {
    let stored = [
        ("x-version", "1"),
        ("content-location", "/page-1"),
        ("last-modified", EARLIER),
        ("x-old", "stays"),
    ];
    let newer = [
        ("x-version", "2"),
        ("content-location", "/page-2"),
        ("last-modified", CHANGED),
    ];
    let (upstream, hit, _proxy) = validated(&stored, &newer).await;

    for (name, value) in newer {
        hit.expect_header(name, value).usually(REFRESH);
    }
    hit.expect_header("x-old", "stays");
    upstream.expect_requests(2);
}

#[tokio::test]
async fn all_lines_of_a_name_are_replaced() {
    let stored = [("link", "</a>"), ("link", "</b>"), ("link", "</c>")];
    let (_upstream, hit, _proxy) = validated(&stored, &[("link", "</d>"), ("link", "</e>")]).await;

    hit.expect_list("link", ["</d>", "</e>"]).usually(REFRESH);
}

#[tokio::test]
async fn what_belongs_to_a_connection_or_a_client_is_not_stored() {
    let newer = [
        ("set-cookie", "visitor=7"),
        ("connection", "X-Hop"),
        ("x-hop", "1"),
        ("proxy-authenticate", "Basic"),
    ];
    let (_upstream, hit, _proxy) = validated(&[], &newer).await;

    for name in ["set-cookie", "x-hop", "proxy-authenticate"] {
        hit.expect_no_header(name).usually(LEFT_OUT);
    }
}

mod given {
    use super::*;

    #[tokio::test]
    async fn a_client_that_has_it_is_told_304() {
        let stored = [("etag", "\"1\""), ("last-modified", CHANGED)];
        for condition in [("if-none-match", "\"1\""), ("if-modified-since", CHANGED)] {
            let answer = answer(&stored, &[condition]).await;
            answer.expect_status(304);
            answer.expect_header("etag", "\"1\"");
            answer.expect_no_header("content-length");
        }
    }

    #[tokio::test]
    async fn a_client_that_has_something_else_gets_it() {
        let stored = [("etag", "\"1\""), ("last-modified", CHANGED)];
        for condition in [
            ("if-none-match", "\"11\""),
            ("if-none-match", "\"0\", \"2\""),
            ("if-modified-since", EARLIER),
            ("if-modified-since", "yesterday"),
        ] {
            let answer = answer(&stored, &[condition]).await;
            answer.expect_status(200);
            answer.expect_body("the page");
        }
    }

    #[tokio::test]
    async fn what_describes_the_body_stays() {
        let stored = [
            ("content-type", "text/css"),
            ("content-encoding", "identity"),
        ];
        let newer = [
            ("content-type", "text/html"),
            ("content-encoding", "gzip"),
            ("content-length", "0"),
        ];
        let (_upstream, hit, _proxy) = validated(&stored, &newer).await;

        hit.expect_header("content-type", "text/css")
            .usually(LEFT_OUT);
        hit.expect_header("content-encoding", "identity")
            .usually(LEFT_OUT);
        hit.expect_header("content-length", "8").usually(LEFT_OUT);
    }

    #[tokio::test]
    async fn what_is_stale_is_validated_and_fresh_again() {
        let newer = [("cache-control", "max-age=600")];
        let (upstream, hit, _proxy) = validated(&[("last-modified", CHANGED)], &newer).await;

        let validation = upstream.last_request();
        validation.expect_header("if-none-match", "\"1\"");
        validation.expect_header("if-modified-since", CHANGED);
        hit.expect_header("cache-control", "max-age=600");
        hit.expect_header_where("age", "less than a minute", |age| {
            age.parse().is_ok_and(|age: u64| age < 60)
        });
        upstream.expect_requests(2);
    }

    #[tokio::test]
    async fn what_has_changed_replaces_it() {
        let stale = reply(
            200,
            &[("age", "100"), ("x-version", "1"), ("etag", "\"1\"")],
        );
        let new = Reply::text(200, "a new page").header("etag", "\"2\"");
        let replies = [stale, new].map(|reply| reply.header("cache-control", "max-age=60"));
        let upstream = Upstream::script(replies).await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

        proxy.get("/page").send().await.expect_body("the page");
        for _ in 0..2 {
            // The client's tag is the old one.
            let get = proxy.get("/page").header("if-none-match", "\"1\"");
            let answer = get.send().await;
            answer.expect_body("a new page");
            answer.expect_no_header("x-version");
        }
        upstream.expect_requests(2);
    }

    #[tokio::test]
    async fn a_condition_of_the_client_does_not_keep_it_from_being_stored() {
        let upstream = Upstream::always(reply(
            200,
            &[("etag", "\"1\""), ("cache-control", "max-age=60")],
        ))
        .await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

        let first = proxy
            .get("/page")
            .header("if-none-match", "\"1\"")
            .send()
            .await;
        first.expect_status(304);
        upstream.last_request().expect_no_header("if-none-match");
        proxy.get("/page").send().await.expect_body("the page");
        upstream.expect_requests(1);
    }
}
