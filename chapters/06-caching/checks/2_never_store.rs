//! 6.2 What is meant for one visitor is never shown to another (RFC 9111, sections 3 and 3.5).

use lab::{Proxy, Reply, Response, Upstream};

const EXERCISE: &str = "6-2";

const SPELLING: &str = "directives have any case, stand on several lines, and may have an argument: CacheControl::from_resp_headers reads all of it, contains() does not";
const COOKIE: &str = "a stored Set-Cookie gives one visitor's session to all others";
const AUTHORIZED: &str = "an answer to a request with Authorization is stored only with public, s-maxage or must-revalidate (RFC 9111, section 3.5)";

type Headers<'a> = &'a [(&'a str, &'a str)];

/// The second of two answers: the first was to a request with these headers and had those.
async fn second_after(request: Headers<'_>, answer: Headers<'_>) -> Response {
    let first = answer
        .iter()
        .fold(Reply::text(200, "for the first"), |reply, (name, value)| {
            reply.header(*name, *value)
        });
    let upstream = Upstream::script([first, Reply::text(200, "for the second")]).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    let get = request
        .iter()
        .fold(proxy.get("/account"), |get, (name, value)| {
            get.header(*name, *value)
        });
    get.send().await.expect_body("for the first");
    proxy.get("/account").send().await
}

async fn expect_not_stored(request: Headers<'_>, answer: Headers<'_>, usually: &str) {
    let second = second_after(request, answer).await;
    second.expect_body("for the second").usually(usually);
}

async fn expect_stored(request: Headers<'_>, answer: Headers<'_>, usually: &str) {
    let second = second_after(request, answer).await;
    second.expect_body("for the first").usually(usually);
}

#[tokio::test]
async fn a_cookie_is_never_stored() {
    for control in ["max-age=60", "public, max-age=60"] {
        let answer = [("cache-control", control), ("set-cookie", "visitor=7")];
        expect_not_stored(&[], &answer, COOKIE).await;
    }
}

#[tokio::test]
async fn directives_count_in_any_case() {
    for control in ["max-age=60, No-Store", "PRIVATE, max-age=60"] {
        expect_not_stored(&[], &[("cache-control", control)], SPELLING).await;
    }
}

#[tokio::test]
async fn directives_count_on_every_line() {
    for directive in ["no-store", "private"] {
        let answer = [
            ("cache-control", "max-age=60"),
            ("Cache-Control", directive),
        ];
        expect_not_stored(&[], &answer, SPELLING).await;
    }
}

#[tokio::test]
async fn headers_that_are_private_are_not_shown_to_others() {
    for control in [
        "max-age=60, private=\"x-visitor, x-cart\"",
        "max-age=60, no-cache=\"X-Visitor\"",
    ] {
        let answer = [("cache-control", control), ("x-visitor", "7")];
        // To store the rest, or nothing: both are right.
        second_after(&[], &answer).await.expect_no_header("x-visitor").usually(
            "private=\"x\" and no-cache=\"x\" are about the headers that they name: store the answer without them, or not at all",
        );
    }
}

#[tokio::test]
async fn a_request_may_forbid_it_too() {
    for control in ["no-store", "max-age=0, NO-STORE"] {
        expect_not_stored(
            &[("cache-control", control)],
            &[("cache-control", "max-age=60")],
            "no-store is a directive of requests too (RFC 9111, section 5.2.1.5)",
        )
        .await;
    }
}

#[tokio::test]
async fn a_word_in_quotes_is_not_a_directive() {
    for control in [
        "max-age=60, note=\"no-store, private\"",
        "private-use=1, max-age=60",
    ] {
        expect_stored(&[], &[("cache-control", control)], SPELLING).await;
    }
    // And the other way round: this is no permission.
    expect_not_stored(
        &[("authorization", "Bearer 7")],
        &[("cache-control", "max-age=60, note=\"public\"")],
        AUTHORIZED,
    )
    .await;
}

#[tokio::test]
async fn who_is_authorized_is_shared_only_with_permission() {
    for control in [
        "s-maxage=60",
        "max-age=60, must-revalidate",
        "max-age=60, Public",
    ] {
        let authorized = [("authorization", "Bearer 7")];
        expect_stored(&authorized, &[("cache-control", control)], AUTHORIZED).await;
    }
}

#[tokio::test]
async fn vary_on_everything_is_not_stored_however_it_is_written() {
    for vary in [&["accept, *"][..], &["*,accept"], &["accept", "*"]] {
        let mut answer = vec![("cache-control", "max-age=60")];
        answer.extend(vary.iter().map(|value| ("vary", *value)));
        expect_not_stored(
            &[],
            &answer,
            "Vary is a list, on one line or several, and one * in it is enough",
        )
        .await;
    }
}

mod given {
    use super::*;

    #[tokio::test]
    async fn what_is_for_everybody_is_stored() {
        for control in ["max-age=60", "public, max-age=60", "s-maxage=60"] {
            expect_stored(&[], &[("cache-control", control)], SPELLING).await;
        }
    }

    #[tokio::test]
    async fn what_is_not_is_not() {
        for control in ["max-age=60, no-store", "max-age=60, private", "max-age=0"] {
            expect_not_stored(&[], &[("cache-control", control)], SPELLING).await;
        }
        let answer = [("cache-control", "max-age=60"), ("vary", "*")];
        expect_not_stored(&[], &answer, SPELLING).await;
    }

    #[tokio::test]
    async fn who_is_authorized_is_not_shared_without_permission() {
        for scheme in ["Bearer 7", "Basic dTpw"] {
            let answer = [("cache-control", "max-age=60")];
            expect_not_stored(&[("authorization", scheme)], &answer, AUTHORIZED).await;
        }
    }

    #[tokio::test]
    async fn the_strictest_of_two_forms_counts() {
        for answer in [
            [
                ("cache-control", "max-age=60, private"),
                ("cache-control", "private=\"x-other\""),
            ],
            [
                ("cache-control", "private=\"x-other\""),
                ("cache-control", "max-age=60, private"),
            ],
        ] {
            expect_not_stored(
                &[],
                &answer,
                "a map keeps one directive of each name, so control.private() knows only the last",
            )
            .await;
        }
    }
}
