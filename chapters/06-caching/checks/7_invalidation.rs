//! 6.7 What was changed is not served any more (RFC 9111, section 4.4), and CDN-Cache-Control is for us (RFC 9213).

use lab::{Proxy, Reply, Upstream};

const EXERCISE: &str = "6-7";

const UNSAFE: &str = "all methods but GET, HEAD, OPTIONS and TRACE may change something, also those that you have never heard of";
const ERROR: &str = "a request that failed has changed nothing: only 2xx and 3xx count";
const NAMED: &str = "Location and Content-Location may be relative; resolve them against what was asked for, as a browser does";
const ORIGIN: &str =
    "scheme, host and port decide whose answer that is; nobody may empty another's store";
const MALFORMED: &str = "CDN-Cache-Control is a dictionary of structured fields: if any of it cannot be read, all of it counts as absent";

type Headers<'a> = &'a [(&'a str, &'a str)];

fn reply(status: u16, body: &str, headers: Headers<'_>) -> Reply {
    headers
        .iter()
        .fold(Reply::text(status, body), |reply, (name, value)| {
            reply.header(*name, *value)
        })
}

fn old(host: &str) -> Reply {
    reply(
        200,
        &format!("old at {host}"),
        &[("cache-control", "max-age=60")],
    )
}

fn new() -> Reply {
    reply(200, "new", &[("cache-control", "max-age=60")])
}

/// What is stored, and the request for /things/1 that is sent then: its method and answer.
struct Case {
    stored: &'static str,
    method: &'static str,
    status: u16,
    named: Vec<(&'static str, &'static str)>,
}

fn case(
    stored: &'static str,
    method: &'static str,
    status: u16,
    named: &[(&'static str, &'static str)],
) -> Case {
    let named = named.to_vec();
    Case {
        stored,
        method,
        status,
        named,
    }
}

/// Expects this answer where something stored is asked for again. Each case has a host of its own, which stands for HOST.
async fn expect_after(expected: &str, usually: &str, cases: impl IntoIterator<Item = Case>) {
    let cases: Vec<_> = (0..)
        .map(|n| format!("shop{n}.example"))
        .zip(cases)
        .collect();
    let replies = cases.iter().flat_map(|(host, case)| {
        let named = case
            .named
            .iter()
            .map(|(name, value)| (*name, value.replace("HOST", host)));
        let answer = named.fold(Reply::text(case.status, "done"), |reply, (name, value)| {
            reply.header(name, value)
        });
        [Some(old(host)), Some(answer), (expected == "new").then(new)]
            .into_iter()
            .flatten()
    });
    let upstream = Upstream::script(replies.chain([new()]).collect::<Vec<_>>()).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    for (host, case) in &cases {
        let at = |method: &str, target: &str| proxy.request(method, target).header("host", host);
        let first = format!("old at {host}");
        at("GET", case.stored).send().await.expect_body(&first);
        at(case.method, "/things/1")
            .send()
            .await
            .expect_status(case.status);
        let again = if expected == "old" { &first } else { expected };
        at("GET", case.stored)
            .send()
            .await
            .expect_body(again)
            .usually(usually);
    }
}

/// Expects this answer to the second of two equal requests, when the first answer had these headers.
async fn expect_second(
    expected: &str,
    usually: &str,
    cases: impl IntoIterator<Item = Vec<(&str, &str)>>,
) {
    let cases = Vec::from_iter(cases);
    let replies = (0..).zip(&cases).flat_map(|(n, headers)| {
        let first = reply(200, &format!("old {n}"), headers);
        [Some(first), (expected == "new").then(new)]
            .into_iter()
            .flatten()
    });
    let upstream = Upstream::script(replies.chain([new()]).collect::<Vec<_>>()).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    for n in 0..cases.len() {
        let get = || proxy.get(format!("/{n}")).send();
        let first = format!("old {n}");
        get().await.expect_body(&first);
        let again = if expected == "old" { &first } else { expected };
        get().await.expect_body(again).usually(usually);
    }
}

#[tokio::test]
async fn every_method_that_is_not_safe_counts() {
    let methods = ["PATCH", "MKCOL", "PROPPATCH"];
    expect_after(
        "new",
        UNSAFE,
        methods.map(|method| case("/things/1", method, 200, &[])),
    )
    .await;
}

#[tokio::test]
async fn what_failed_has_changed_nothing() {
    let failures = [400, 404, 409, 500, 503];
    expect_after(
        "old",
        ERROR,
        failures.map(|status| case("/things/1", "POST", status, &[])),
    )
    .await;
}

#[tokio::test]
async fn what_the_answer_names_is_out_of_date_too() {
    let cases = [
        ("location", "/things/2", "/things/2"),
        ("location", "http://HOST/things/2", "/things/2"),
        ("content-location", "/things/2?full=1", "/things/2?full=1"),
        ("content-location", "http://HOST/things/2#top", "/things/2"),
    ];
    let cases =
        cases.map(|(name, reference, stored)| case(stored, "POST", 201, &[(name, reference)]));
    expect_after("new", NAMED, cases).await;
}

#[tokio::test]
async fn a_name_may_be_relative() {
    let cases = [
        ("2", "/things/2"),
        ("../list", "/list"),
        ("?page=2", "/things/1?page=2"),
        ("//HOST/list", "/list"),
    ];
    let cases =
        cases.map(|(reference, stored)| case(stored, "PUT", 303, &[("location", reference)]));
    expect_after("new", NAMED, cases).await;
}

#[tokio::test]
async fn both_names_count() {
    let named = &[("location", "/list"), ("content-location", "/things/2")];
    let cases = ["/list", "/things/2", "/things/1"].map(|stored| case(stored, "POST", 200, named));
    expect_after("new", NAMED, cases).await;
}

#[tokio::test]
async fn what_cannot_be_read_counts_as_absent() {
    let malformed = [
        "max-age=600, &",
        "Max-Age=600",
        "max-age=",
        "max-age=600 public",
        "max-age=600,",
        "=",
        "",
    ];
    let cases = malformed.map(|it| vec![("cdn-cache-control", it), ("cache-control", "no-store")]);
    expect_second("new", MALFORMED, cases).await;
    let malformed = ["no-store, &", "No-Store", "no-store;", ""];
    let cases =
        malformed.map(|it| vec![("cdn-cache-control", it), ("cache-control", "max-age=60")]);
    expect_second("old", MALFORMED, cases).await;
}

#[tokio::test]
async fn only_a_whole_number_is_a_lifetime() {
    let values = [
        "max-age=\"600\"",
        "max-age=600.5",
        "max-age=-600",
        "max-age",
    ];
    let cases = values.map(|it| vec![("cdn-cache-control", it), ("cache-control", "no-store")]);
    let types = "structured fields have types: a text or a fraction is no number of seconds (RFC 9213, section 2.1)";
    expect_second("new", types, cases).await;
}

mod given {
    use super::*;

    #[tokio::test]
    async fn what_was_changed_is_asked_for_again() {
        let changes = [("POST", 200), ("PUT", 204), ("DELETE", 202), ("POST", 303)];
        let cases = changes.map(|(method, status)| case("/things/1", method, status, &[]));
        expect_after("new", UNSAFE, cases).await;
    }

    #[tokio::test]
    async fn safe_methods_change_nothing() {
        let named = &[("content-location", "/things/1")];
        let cases = ["OPTIONS", "TRACE"].map(|method| case("/things/1", method, 200, named));
        expect_after("old", UNSAFE, cases).await;
    }

    #[tokio::test]
    async fn nothing_else_is_out_of_date() {
        let others = ["/things/2", "/things/1?full=1", "/things", "/"];
        let cases = others.map(|stored| case(stored, "POST", 200, &[]));
        expect_after(
            "old",
            "only what was asked for, and what the answer names",
            cases,
        )
        .await;
    }

    #[tokio::test]
    async fn the_same_path_elsewhere_is_not_ours() {
        let elsewhere = [
            "http://bank.example/page",
            "//bank.example/page",
            "https://HOST/page",
            "http://HOST:8080/page",
            "http://HOST@bank.example/page",
            "http://HOST.bank.example/page",
            "http://[/page",
        ];
        let cases = elsewhere.map(|it| {
            case(
                "/page",
                "POST",
                201,
                &[("location", it), ("content-location", it)],
            )
        });
        expect_after("old", ORIGIN, cases).await;
    }

    #[tokio::test]
    async fn another_origin_is_left_alone() {
        let elsewhere = [
            "http://bank.example/page",
            "//bank.example/page",
            "http://shop.example@bank.example/page",
        ];
        let answers =
            elsewhere.map(|it| reply(201, "done", &[("location", it), ("content-location", it)]));
        let upstream = Upstream::script([old("bank.example")].into_iter().chain(answers)).await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
        let stored = || proxy.get("/page").header("host", "bank.example").send();
        stored().await.expect_body("old at bank.example");

        for _ in elsewhere {
            let post = proxy.post("/things/1").header("host", "shop.example");
            post.send().await.expect_status(201);
            stored()
                .await
                .expect_body("old at bank.example")
                .usually(ORIGIN);
        }
    }

    #[tokio::test]
    async fn what_is_for_us_beats_what_is_for_all() {
        let past = "Thu, 01 Jan 1970 00:00:00 GMT";
        let ours = vec![
            ("cdn-cache-control", "max-age=60"),
            ("cache-control", "no-store"),
            ("expires", past),
        ];
        expect_second("old", MALFORMED, [ours]).await;

        let no = [
            "no-store",
            "private, max-age=60",
            "max-age=0",
            "no-cache, max-age=60",
            "none",
        ];
        let cases = no.map(|it| vec![("cdn-cache-control", it), ("cache-control", "max-age=60")]);
        expect_second(
            "new",
            "where there is a targeted header, the others are not read",
            cases,
        )
        .await;
    }

    #[tokio::test]
    async fn its_lines_are_one_list() {
        let two = vec![
            ("cdn-cache-control", "max-age=60"),
            ("CDN-Cache-Control", "no-store"),
        ];
        expect_second("new", MALFORMED, [two]).await;
        let two = vec![
            ("cdn-cache-control", "s-maxage=60"),
            ("CDN-Cache-Control", "max-age=0"),
        ];
        expect_second("old", MALFORMED, [two]).await;
    }

    #[tokio::test]
    async fn without_it_the_usual_rules_hold() {
        let stored = [
            ("cache-control", "max-age=60"),
            ("expires", "Fri, 01 Jan 2100 00:00:00 GMT"),
        ];
        expect_second("old", MALFORMED, stored.map(|it| vec![it])).await;
        let not_stored = vec![("cache-control", "no-store, max-age=60")];
        expect_second("new", MALFORMED, [not_stored]).await;
    }
}
