//! 6.1 A stored answer is as old as it is at the origin, and only the same request gets it.

use std::time::{Duration, SystemTime};

use lab::{Proxy, Reply, Response, Upstream};

const EXERCISE: &str = "6-1";

const AGES: &str = "the age on arrival is the larger of what Date says, and what Age says plus the time that the answer took (RFC 9111, section 4.2.3)";
const FRAMES: &str = "parts that are joined run into each other: put the length before a part, or between them a byte that none can hold";

fn ago(seconds: u64) -> String {
    httpdate::fmt_http_date(SystemTime::now() - Duration::from_secs(seconds))
}

/// The second of two equal requests, when the upstream answered the first with these headers.
async fn second_answer(headers: &[(&str, String)]) -> (Upstream, Response) {
    let reply = |body| {
        let reply = Reply::text(200, body).header("cache-control", "max-age=10000");
        let headers = headers.iter();
        headers.fold(reply, |reply, (name, value)| {
            reply.header(*name, value.clone())
        })
    };
    let upstream = Upstream::script([reply("one"), reply("two")]).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    proxy.get("/a").send().await.expect_body("one");
    let second = proxy.get("/a").send().await;
    second.expect_status(200);
    (upstream, second)
}

/// A proxy whose upstream answers with the number of the request, from 0.
async fn numbering() -> (Upstream, Proxy) {
    let reply = |n: usize| Reply::text(200, n.to_string()).header("cache-control", "max-age=60");
    let upstream = Upstream::script((0..100).map(reply)).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    (upstream, proxy)
}

/// Expects a hit of this age; a busy machine may take a minute.
fn expect_age(answer: &Response, age: u64) {
    answer.expect_body("one");
    answer
        .expect_header_where("age", &format!("{age}, or a little more"), |value| {
            value
                .parse()
                .is_ok_and(|value: u64| (age..age + 60).contains(&value))
        })
        .usually(AGES);
}

#[tokio::test]
async fn the_age_that_the_upstream_tells_is_counted() {
    let (_upstream, hit) = second_answer(&[("age", "3000".to_owned())]).await;

    expect_age(&hit, 3000);
}

#[tokio::test]
async fn an_old_date_is_an_age() {
    let (_upstream, hit) = second_answer(&[("date", ago(2000))]).await;

    expect_age(&hit, 2000);
}

#[tokio::test]
async fn the_larger_of_the_two_counts_not_their_sum() {
    for (age, date) in [("3000", ago(2000)), ("2000", ago(3000))] {
        let (_upstream, hit) = second_answer(&[("age", age.to_owned()), ("date", date)]).await;
        expect_age(&hit, 3000);
    }
}

#[tokio::test]
async fn the_time_that_the_answer_took_is_counted() {
    let slow = Reply::text(200, "one")
        .header("cache-control", "max-age=10000")
        .header("age", "100")
        .after(Duration::from_millis(1100));
    let upstream = Upstream::always(slow).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    proxy.get("/a").send().await.expect_body("one");

    expect_age(&proxy.get("/a").send().await, 101);
}

#[tokio::test]
async fn a_date_in_the_future_and_an_age_that_is_no_number_count_nothing() {
    let tomorrow = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(86400));
    // The second header shows that the first one was read and not the whole calculation given up.
    let (_upstream, hit) = second_answer(&[("date", tomorrow), ("age", "700".to_owned())]).await;
    expect_age(&hit, 700);
    let (_upstream, hit) = second_answer(&[("date", ago(800)), ("age", "-5".to_owned())]).await;
    expect_age(&hit, 800);
}

#[tokio::test]
async fn what_was_too_old_on_arrival_is_asked_for_again() {
    for headers in [
        [("age", "10000".to_owned())],
        [("age", "99999999999999999999".to_owned())],
        [("date", ago(10000))],
    ] {
        let (upstream, second) = second_answer(&headers).await;
        second
            .expect_body("two")
            .usually("fresh means that the lifetime is greater than the age, and max-age counts from the origin, not from here; an Age with more digits than an integer holds is very old, not no number (RFC 9111, section 1.2.2)");
        upstream.expect_requests(2);
    }
}

#[tokio::test]
async fn path_and_query_do_not_run_into_each_other() {
    let (_upstream, proxy) = numbering().await;
    // The mark that somebody may have put between the parts, as a part of one of them.
    let marks = [
        "", "|", ":", "-", "_", ".", ",", ";", "&", "=", "~", "$", "!", "@", "/",
    ];
    for (n, mark) in marks.into_iter().enumerate() {
        let one = proxy.get(format!("/{n}a{mark}b"));
        one.send().await.expect_body(format!("{}", 2 * n));
        let two = proxy.get(format!("/{n}a?b{mark}"));
        two.send()
            .await
            .expect_body(format!("{}", 2 * n + 1))
            .usually(FRAMES);
    }
}

#[tokio::test]
async fn an_empty_query_is_another_target_than_none() {
    let (_upstream, proxy) = numbering().await;

    proxy.get("/a").send().await.expect_body("0");

    let other = proxy.get("/a?").send().await;
    other
        .expect_body("1")
        .usually("uri.query() is None for the one and an empty text for the other");
}

mod given {
    use super::*;

    #[tokio::test]
    async fn the_same_request_is_answered_from_the_store() {
        let (upstream, hit) = second_answer(&[]).await;

        expect_age(&hit, 0);
        upstream.expect_requests(1);
    }

    #[tokio::test]
    async fn other_requests_are_not() {
        let (_upstream, proxy) = numbering().await;
        let first = proxy.get("/a?x=1").header("host", "a.example");
        first.send().await.expect_body("0");

        let others = [
            ("b.example", "/a?x=1"),
            ("a.example:81", "/a?x=1"),
            ("a.example", "/A?x=1"),
            ("a.example", "/a?x=2"),
            ("a.example", "/a?X=1"),
            ("a.example", "/a"),
            ("a.example", "/a/?x=1"),
            ("a.example", "/%61?x=1"),
        ];
        for (n, (host, target)) in (1..).zip(others) {
            let other = proxy.get(target).header("host", host);
            other.send().await.expect_body(format!("{n}"));
        }
    }

    #[tokio::test]
    async fn what_is_not_fresh_is_asked_for_again() {
        for control in ["max-age=0", "no-cache, max-age=60", "no-store, max-age=60"] {
            let replies =
                ["one", "two"].map(|body| Reply::text(200, body).header("cache-control", control));
            let upstream = Upstream::script(replies).await;
            let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

            proxy.get("/a").send().await.expect_body("one");
            proxy.get("/a").send().await.expect_body("two");
        }
    }
}
