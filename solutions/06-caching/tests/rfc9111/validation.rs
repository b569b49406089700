//! RFC 9111, section 4.3 and 3.2: asking whether what is stored is still right.

use super::*;

const LM: &str = "Tue, 01 Jan 2019 00:00:00 GMT";

#[tokio::test]
async fn both_validators_are_sent() {
    let first = with(stale(""), &[("Last-Modified", LM)]);
    let (upstream, proxy) = demo([first, Reply::status(304)]).await;
    proxy.get("/").send().await;
    proxy
        .get("/")
        .send()
        .await
        .expect_status(200)
        .expect_body("one");
    let seen = upstream.last_request();
    seen.expect_header("if-none-match", "\"1\"")
        .expect_header("if-modified-since", LM);
}

#[tokio::test]
async fn the_validators_of_the_store_take_the_place_of_the_clients() {
    let (upstream, proxy) = demo([stale(""), Reply::status(304)]).await;
    proxy.get("/").send().await;
    proxy
        .get("/")
        .header("If-None-Match", "\"x\"")
        .send()
        .await
        .expect_status(200);
    upstream
        .last_request()
        .expect_header("if-none-match", "\"1\"");
}

#[tokio::test]
async fn a_weak_validator_will_do() {
    let first = reply(&[("Cache-Control", "max-age=0"), ("ETag", "W/\"1\"")]);
    let (upstream, proxy) = demo([first, Reply::status(304)]).await;
    proxy.get("/").send().await;
    proxy.get("/").send().await.expect_body("one");
    upstream
        .last_request()
        .expect_header("if-none-match", "W/\"1\"");
}

#[tokio::test]
async fn a_304_makes_it_fresh_again() {
    let again = Reply::status(304).header("Cache-Control", "max-age=3600");
    let (upstream, proxy) = demo([stale(""), again]).await;
    for _ in 0..4 {
        proxy
            .get("/")
            .send()
            .await
            .expect_status(200)
            .expect_body("one");
    }
    upstream.expect_requests(2);
}

#[tokio::test]
async fn a_304_updates_the_stored_fields() {
    let fields = [
        "X-Test",
        "Content-Foo",
        "Content-Type",
        "Content-Language",
        "Content-Location",
        "Content-Security-Policy",
        "Link",
        "X-Frame-Options",
        "Server",
        "Access-Control-Allow-Origin",
    ];
    let first = fields
        .iter()
        .fold(stale(""), |reply, name| reply.header(*name, "old"));
    let second = Reply::status(304).header("Cache-Control", "max-age=3600");
    let second = fields
        .iter()
        .fold(second, |reply, name| reply.header(*name, "new"));
    let (upstream, proxy) = demo([first, second]).await;
    proxy.get("/").send().await;
    for _ in 0..2 {
        let answer = proxy.get("/").send().await;
        for name in fields {
            answer.expect_header(name, "new");
        }
    }
    upstream.expect_requests(2);
}

#[tokio::test]
async fn a_304_adds_fields_and_leaves_the_others() {
    let first = with(
        stale(""),
        &[("X-Old", "1"), ("X-Many", "a"), ("X-Many", "b")],
    );
    let second = with(
        Reply::status(304),
        &[
            ("Cache-Control", "max-age=3600"),
            ("X-New", "2"),
            ("X-Many", "c"),
        ],
    );
    let (_upstream, proxy) = demo([first, second]).await;
    proxy.get("/").send().await;
    for _ in 0..2 {
        let answer = proxy.get("/").send().await;
        answer
            .expect_header("x-old", "1")
            .expect_header("x-new", "2")
            .expect_list("x-many", ["c"]);
    }
}

#[tokio::test]
async fn a_304_does_not_change_what_describes_the_stored_body() {
    let first = with(
        stale(""),
        &[("Content-Encoding", "br"), ("Connection", "x")],
    );
    let second = with(
        Reply::status(304),
        &[
            ("Cache-Control", "max-age=3600"),
            ("Content-Length", "99"),
            ("Content-Encoding", "gzip"),
            ("Content-Range", "bytes 0-1/2"),
        ],
    );
    let (_upstream, proxy) = demo([first, second]).await;
    proxy.get("/").send().await;
    for _ in 0..2 {
        let answer = proxy.get("/").send().await;
        answer
            .expect_header("content-length", "3")
            .expect_header("content-encoding", "br");
        answer.expect_no_header("content-range").expect_body("one");
    }
}

#[tokio::test]
async fn a_304_does_not_store_hop_by_hop_fields() {
    let second = with(
        Reply::status(304),
        &[
            ("Cache-Control", "max-age=3600"),
            ("Connection", "x-hop"),
            ("X-Hop", "1"),
            ("Keep-Alive", "timeout=9"),
        ],
    );
    let (_upstream, proxy) = demo([stale(""), second]).await;
    for _ in 0..3 {
        proxy
            .get("/")
            .send()
            .await
            .expect_no_header("x-hop")
            .expect_no_header("keep-alive");
    }
}

#[tokio::test]
async fn the_cookie_of_a_304_is_for_one_client() {
    let second = with(
        Reply::status(304),
        &[("Cache-Control", "max-age=3600"), ("Set-Cookie", "id=1")],
    );
    let (_upstream, proxy) = demo([stale(""), second]).await;
    proxy.get("/").send().await;
    let asking = proxy.get("/").send().await;
    let third = proxy.get("/").send().await;
    third.expect_no_header("set-cookie").expect_body("one");
    asking.expect_header("set-cookie", "id=1");
}

#[tokio::test]
async fn a_304_sets_a_new_age() {
    let second = with(
        Reply::status(304),
        &[("Cache-Control", "max-age=3600"), ("Age", "30")],
    );
    let (upstream, proxy) = demo([stale(""), second]).await;
    for _ in 0..2 {
        proxy.get("/").send().await;
    }
    proxy
        .get("/")
        .send()
        .await
        .expect_header_where("age", "30 or little more", |age| {
            age.parse().is_ok_and(|age: u32| (30..50).contains(&age))
        });
    upstream.expect_requests(2);
}

#[tokio::test]
async fn a_304_that_takes_the_permission_away_is_the_last_use() {
    let second = Reply::status(304).header("Cache-Control", "no-store");
    let (upstream, proxy) = demo([stale(""), second, Reply::text(200, "two")]).await;
    proxy.get("/").send().await;
    proxy
        .get("/")
        .send()
        .await
        .expect_status(200)
        .expect_body("one");
    proxy.get("/").send().await.expect_body("two");
    upstream.expect_requests(3);
}

#[tokio::test]
async fn a_304_about_something_else_is_not_used() {
    let other = Reply::status(304).header("ETag", "\"2\"");
    let new = Reply::text(200, "two").header("ETag", "\"2\"");
    let (upstream, proxy) = demo([stale(""), other, new]).await;
    proxy.get("/").send().await;
    proxy
        .get("/")
        .send()
        .await
        .expect_status(200)
        .expect_body("two")
        .expect_header("etag", "\"2\"");
    upstream.expect_requests(3);
    upstream.last_request().expect_no_header("if-none-match");
}

#[tokio::test]
async fn a_304_with_the_same_weak_tag_is_about_it() {
    let second = with(
        Reply::status(304),
        &[("ETag", "W/\"1\""), ("Cache-Control", "max-age=3600")],
    );
    let (upstream, proxy) = demo([stale(""), second]).await;
    for _ in 0..3 {
        proxy.get("/").send().await.expect_body("one");
    }
    upstream.expect_requests(2);
}

#[tokio::test]
async fn a_whole_answer_takes_the_place_of_the_stored_one() {
    let new = Reply::text(200, "two").header("Cache-Control", "max-age=3600");
    let (upstream, proxy) = demo([with(stale(""), &[("X-Old", "1")]), new]).await;
    proxy.get("/").send().await;
    for _ in 0..2 {
        proxy
            .get("/")
            .send()
            .await
            .expect_body("two")
            .expect_no_header("x-old")
            .expect_no_header("etag");
    }
    upstream.expect_requests(2);
}

#[tokio::test]
async fn what_a_newer_answer_replaces_does_not_come_back() {
    let private = reply(&[("Cache-Control", "no-store")]);
    let (upstream, proxy) = demo([fresh(), private, Reply::text(200, "three")]).await;
    proxy.get("/").send().await;
    proxy
        .get("/")
        .header("Cache-Control", "no-cache")
        .send()
        .await;
    proxy.get("/").send().await.expect_body("three");
    upstream.expect_requests(3);
}

#[tokio::test]
async fn a_404_takes_the_place_of_the_stored_one() {
    let gone = Reply::text(404, "gone").header("Cache-Control", "max-age=3600");
    let (upstream, proxy) = demo([stale(""), gone]).await;
    proxy.get("/").send().await;
    for _ in 0..2 {
        proxy
            .get("/")
            .send()
            .await
            .expect_status(404)
            .expect_body("gone");
    }
    upstream.expect_requests(2);
}

#[tokio::test]
async fn without_a_validator_the_whole_is_asked_for() {
    let first = reply(&[
        ("Cache-Control", "max-age=1, stale-if-error=9"),
        ("Age", "5"),
    ]);
    let (upstream, proxy) = demo([first, Reply::text(200, "two")]).await;
    proxy.get("/").send().await;
    proxy.get("/").send().await.expect_body("two");
    upstream
        .last_request()
        .expect_no_header("if-none-match")
        .expect_no_header("if-modified-since");
}

#[tokio::test]
async fn a_304_that_nobody_asked_for_is_passed_on() {
    let (upstream, proxy) = demo([Reply::status(304), fresh()]).await;
    proxy.get("/").send().await.expect_status(304);
    proxy.get("/").send().await.expect_body("one");
    upstream.expect_requests(2);
}

#[tokio::test]
async fn a_head_is_answered_from_a_stored_get() {
    let (upstream, proxy) = demo([with(fresh(), &[("X-Test", "1")])]).await;
    proxy.get("/").send().await;
    let head = proxy.head("/").send().await;
    head.expect_status(200)
        .expect_header("content-length", "3")
        .expect_header("x-test", "1")
        .expect_body("");
    upstream.expect_requests(1);
}

#[tokio::test]
async fn a_head_is_passed_on_as_a_head_and_not_stored() {
    let (upstream, proxy) = demo([fresh()]).await;
    proxy
        .head("/")
        .send()
        .await
        .expect_status(200)
        .expect_header("content-length", "3");
    upstream.last_request().expect_method("HEAD");
    proxy.get("/").send().await.expect_body("one");
    upstream.expect_requests(2);
}

#[tokio::test]
async fn a_head_makes_a_stored_get_fresh_again() {
    let again = reply(&[
        ("Cache-Control", "max-age=3600"),
        ("ETag", "\"1\""),
        ("X-New", "2"),
    ]);
    let (upstream, proxy) = demo([stale(""), again]).await;
    proxy.get("/").send().await;
    proxy.head("/").send().await.expect_status(200);
    let answer = proxy.get("/").send().await;
    answer.expect_body("one").expect_header("x-new", "2");
    upstream.expect_requests(2);
}

#[tokio::test]
async fn a_head_that_disagrees_puts_a_stored_get_out_of_date() {
    let disagreeing = [
        reply(&[("Cache-Control", "max-age=3600"), ("ETag", "\"2\"")]),
        with(
            Reply::text(200, "longer"),
            &[("Cache-Control", "max-age=3600"), ("ETag", "\"1\"")],
        ),
        reply(&[("Cache-Control", "max-age=3600"), ("Last-Modified", LM)]),
    ];
    let rows = disagreeing.len();
    let replies = disagreeing.map(|head| [stale(""), head, Reply::text(200, "two")]);
    let (upstream, proxy) = demo(replies.into_iter().flatten()).await;
    for at in 0..rows {
        let path = format!("/{at}");
        proxy.get(&path).send().await;
        proxy.head(&path).send().await;
        proxy.get(&path).send().await.expect_body("two");
        upstream.expect_requests(3 * (at + 1));
        upstream.last_request().expect_no_header("if-none-match");
    }
}

#[tokio::test]
async fn a_head_that_fails_changes_nothing() {
    let (upstream, proxy) = demo([stale(""), Reply::text(503, ""), Reply::status(304)]).await;
    proxy.get("/").send().await;
    proxy.head("/").send().await.expect_status(503);
    proxy.get("/").send().await.expect_body("one");
    upstream.expect_requests(3);
    upstream
        .last_request()
        .expect_header("if-none-match", "\"1\"");
}
