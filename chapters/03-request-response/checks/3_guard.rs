//! 3.3 Who shows a token passes; nobody else does, and nobody else gets to see it.

use lab::{Proxy, Response, Upstream, expect};

const EXERCISE: &str = "3-3";

const FORM: &str =
    "Bearer realm=\"...\": the scheme is followed by at least one parameter (RFC 6750, section 3)";
const CODE: &str = "error=\"invalid_token\" is for a token that was shown and is wrong; who showed none is only told the way in (RFC 6750, section 3.1)";
const SCHEME: &str =
    "a scheme has no case, and at least one space follows it (RFC 9110, sections 11.1 and 11.4)";
const ONE: &str = "headers.get gives the first of several lines; get_all gives all of them";
const SECRET: &str = "a token in a log opens the door for whoever reads logs";

async fn start(upstream: &Upstream) -> Proxy {
    Proxy::of(EXERCISE)
        .env("TOKENS", "tiger-7,Lion/8==,ox")
        .in_front_of(upstream)
        .await
}

/// What a client gets that sends this line.
async fn ask(proxy: &Proxy, authorization: &str) -> Response {
    let get = proxy.get("/").header("authorization", authorization);
    get.send().await
}

/// Expects a challenge of RFC 6750 with a realm, and with this error code or none.
fn expect_challenge(answer: &Response, code: Option<&str>) {
    answer
        .expect_header_where("www-authenticate", "Bearer realm=\"...\"", |challenge| {
            let (scheme, parameters) = challenge.split_once(' ').unwrap_or((challenge, ""));
            scheme.eq_ignore_ascii_case("bearer")
                && parameters.to_ascii_lowercase().contains("realm=")
        })
        .usually(FORM);
    let words = code.unwrap_or("no error=");
    answer
        .expect_header_where("www-authenticate", words, |challenge| match code {
            Some(code) => challenge
                .replace('"', "")
                .contains(&format!("error={code}")),
            None => !challenge.contains("error"),
        })
        .usually(CODE);
}

#[tokio::test]
async fn without_a_token_the_answer_is_a_challenge() {
    let upstream = Upstream::echo().await;
    let proxy = start(&upstream).await;

    let answer = proxy.get("/").send().await;

    answer.expect_status(401);
    expect_challenge(&answer, None);
    upstream.expect_no_request();
}

#[tokio::test]
async fn a_wrong_token_is_called_invalid() {
    let upstream = Upstream::echo().await;
    let proxy = start(&upstream).await;

    for wrong in [
        "Bearer cat",
        "bearer cat",
        "Bearer tiger-7x",
        "Bearer TIGER-7",
    ] {
        let answer = ask(&proxy, wrong).await;
        answer.expect_status(401);
        expect_challenge(&answer, Some("invalid_token"));
    }
    upstream.expect_no_request();
}

#[tokio::test]
async fn another_scheme_is_no_token() {
    let upstream = Upstream::echo().await;
    let proxy = start(&upstream).await;

    for other in ["Basic dGlnZXI6Nw==", "Bearertoken tiger-7", "Token tiger-7"] {
        let answer = ask(&proxy, other).await;
        answer.expect_status(401);
        expect_challenge(&answer, None);
    }
    upstream.expect_no_request();
}

#[tokio::test]
async fn the_scheme_has_no_case() {
    let upstream = Upstream::echo().await;
    let proxy = start(&upstream).await;

    for right in ["bearer tiger-7", "BEARER tiger-7", "bEARER Lion/8=="] {
        ask(&proxy, right).await.expect_status(200).usually(SCHEME);
    }
}

#[tokio::test]
async fn several_spaces_may_follow_the_scheme() {
    let upstream = Upstream::echo().await;
    let proxy = start(&upstream).await;

    let answer = ask(&proxy, "Bearer   tiger-7").await;

    answer.expect_status(200).usually(SCHEME);
}

#[tokio::test]
async fn what_is_malformed_is_refused() {
    let upstream = Upstream::echo().await;
    let proxy = start(&upstream).await;

    for malformed in [
        "Bearer",
        "Bearer tiger-7 ox",
        "Bearer tiger-7,ox",
        "Bearer \"tiger-7\"",
        "Bearer tiger-7, Bearer ox",
        "Bearer ti\u{e9}ger",
    ] {
        let answer = ask(&proxy, malformed).await;
        // RFC 6750 recommends 400; who calls it a token that is wrong says 401.
        expect(
            [400, 401].contains(&answer.status),
            format!(
                "400 or 401 for {malformed:?}, but the status is {}",
                answer.status
            ),
        );
        answer
            .expect_header_where("www-authenticate", "Bearer realm=\"...\"", |challenge| {
                challenge.to_ascii_lowercase().contains("realm=")
            })
            .usually(FORM);
    }
    upstream.expect_no_request();
}

#[tokio::test]
async fn two_authorization_lines_are_refused() {
    let upstream = Upstream::echo().await;
    let proxy = start(&upstream).await;

    for (first, second) in [
        ("Bearer tiger-7", "Bearer cat"),
        ("Bearer cat", "Bearer tiger-7"),
        ("Bearer tiger-7", "Bearer tiger-7"),
        ("Basic eDp5", "Bearer ox"),
    ] {
        let get = proxy.get("/").header("authorization", first);
        let answer = get.header("authorization", second).send().await;
        expect(
            [400, 401].contains(&answer.status),
            format!(
                "400 or 401 for {first:?} and {second:?}, but the status is {}",
                answer.status
            ),
        )
        .usually(ONE);
    }
    upstream.expect_no_request();
}

#[tokio::test]
async fn the_upstream_does_not_get_the_token() {
    let upstream = Upstream::echo().await;
    let proxy = start(&upstream).await;

    let get = proxy.get("/").header("authorization", "Bearer tiger-7");
    let answer = get.header("x-colour", "blue").send().await;

    answer.expect_status(200);
    let request = upstream.last_request();
    request
        .expect_no_header("authorization")
        .usually("an upstream that has the token can use it, and so can whoever reads its log");
    request.expect_header("x-colour", "blue");
}

#[tokio::test]
async fn no_token_gets_into_the_log_or_an_answer() {
    let upstream = Upstream::refusing().await;
    let proxy = start(&upstream).await;

    ask(&proxy, "Bearer tiger-7").await.expect_status(502);
    for shown in [
        "Bearer almost-tiger-7",
        "Bearer tiger-7 ox",
        "Basic tiger-7",
    ] {
        let answer = ask(&proxy, shown).await;
        answer.expect_body_lacks("tiger-7");
        expect(
            !answer
                .headers
                .iter()
                .any(|(_, value)| value.contains("tiger-7")),
            "no header that repeats the token",
        );
    }
    let last = proxy.get("/last").header("authorization", "Bearer ox");
    last.send().await.expect_status(502);
    proxy.wait_for_log("/last").await;

    proxy.expect_log_without("tiger-7").usually(SECRET);
}

mod given {
    use super::*;

    #[tokio::test]
    async fn each_token_opens_the_door() {
        let upstream = Upstream::echo().await;
        let proxy = start(&upstream).await;

        for right in ["Bearer tiger-7", "Bearer Lion/8==", "Bearer ox"] {
            ask(&proxy, right).await.expect_status(200);
        }
        upstream.expect_requests(3);
    }

    #[tokio::test]
    async fn the_upstream_learns_that_a_token_was_shown() {
        let upstream = Upstream::echo().await;
        let proxy = start(&upstream).await;

        let get = proxy.get("/").header("authorization", "Bearer ox");
        let answer = get.header("x-authenticated", "admin").send().await;

        answer.expect_status(200);
        let request = upstream.last_request();
        request.expect_header("x-authenticated", "bearer");
    }

    #[tokio::test]
    async fn nothing_else_opens_it() {
        let upstream = Upstream::echo().await;
        let proxy = start(&upstream).await;

        for wrong in [
            "Bearer lion/8==",
            "Bearer TIGER-7",
            "Bearer tiger-",
            "Bearer iger-7",
            "Bearer tiger-77",
            "Bearer Lion/8",
            "Bearer Lion/8=",
            "Bearer Lion/8===",
            "Bearer tiger-7,Lion/8==,ox",
            "Bearer o",
            "Bearer x",
            "Bearer oxo",
            "Bearer ",
            "tiger-7",
            "",
        ] {
            let answer = ask(&proxy, wrong).await;
            expect(
                [400, 401].contains(&answer.status),
                format!(
                    "400 or 401 for {wrong:?}, but the status is {}",
                    answer.status
                ),
            )
            .usually("tokens have a case: only the scheme has none");
        }
        upstream.expect_no_request();
    }

    #[tokio::test]
    async fn a_refusal_is_json_and_the_connection_stays_open() {
        let upstream = Upstream::echo().await;
        let proxy = start(&upstream).await;
        let client = proxy.client().await;

        let answer = client.get("/").send().await;
        answer.expect_status(401);
        answer.expect_json("/status", 401);
        client.head("/").send().await.expect_status(401);
        client
            .get("/")
            .header("authorization", "Bearer ox")
            .send()
            .await
            .expect_status(200)
            .usually("who is asked for a token comes back with one, on the same connection");
    }

    #[tokio::test]
    async fn an_upload_that_was_refused_is_no_request() {
        let upstream = Upstream::echo().await;
        let proxy = start(&upstream).await;

        let inner = "GET /inner HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ox\r\n\r\n";
        let length = inner.len();
        let mut wire = proxy.connect().await;
        wire.send(format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"
        ))
        .await;
        wire.send(inner).await;
        wire.read_response().await.expect_status(401);
        wire.finish().await;

        let rest = wire.read_to_end().await;
        expect(
            rest.is_empty(),
            format!(
                "one answer to one request, but also: {}",
                rest.escape_ascii()
            ),
        );
        upstream.expect_no_request();
    }

    #[tokio::test]
    async fn a_refusal_does_not_wait_for_the_upload() {
        let upstream = Upstream::echo().await;
        let proxy = start(&upstream).await;

        let mut wire = proxy.connect().await;
        wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
            .await;

        wire.read_response().await.expect_status(401);
    }

    #[tokio::test]
    async fn tokens_that_are_none_are_refused_at_the_start() {
        for tokens in ["", "tiger-7,,ox", "two words", "="] {
            let ended = Proxy::of(EXERCISE).env("TOKENS", tokens).run_to_end().await;
            ended.expect_code(2);
            ended.expect_stderr_contains("TOKENS");
        }
    }
}
