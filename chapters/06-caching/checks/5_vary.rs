//! 6.5 Each request gets its variant (RFC 9111, section 4.1), and PURGE takes all of them, from those who may.

use lab::{Proxy, Reply, Upstream};

const EXERCISE: &str = "6-5";

const ONE_SPELLING: &str = "in Accept-Encoding and Accept-Language, order, case and spaces around members mean nothing: bring them into one spelling before you compare";
const ABSENT: &str = "a request without the header is a variant of its own: with no variance at all it gets whatever is stored";
const ALL: &str =
    "PURGE has the headers of whoever sends it. If they are part of the key, it finds one variant";
const ALLOWED: &str = "answer PURGE with 403 unless the address of the connection is in PURGE_FROM; that is not X-Forwarded-For";

type Headers<'a> = &'a [(&'a str, &'a str)];

/// A proxy whose upstream numbers its answers from 0, each of which varies by these headers.
async fn varying_by(vary: &str) -> (Upstream, Proxy) {
    let reply = |n: usize| {
        Reply::text(200, n.to_string())
            .header("cache-control", "max-age=60")
            .header("vary", vary)
    };
    let upstream = Upstream::script((0..100).map(reply)).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    (upstream, proxy)
}

/// Asks with these headers; says which answer of the upstream came.
async fn ask(proxy: &Proxy, headers: Headers<'_>) -> lab::Response {
    let get = proxy.get("/page");
    let get = headers
        .iter()
        .fold(get, |get, (name, value)| get.header(*name, *value));
    get.send().await
}

#[tokio::test]
async fn order_case_and_spaces_mean_nothing() {
    for (name, spellings) in [
        (
            "accept-encoding",
            [
                "gzip, br;q=0.5",
                "gzip,br;q=0.5",
                "br;q=0.5, gzip",
                "GZIP , Br ; Q=0.5",
            ],
        ),
        (
            "accept-language",
            [
                "de, en-GB;q=0.5",
                "de,en-GB;q=0.5",
                "en-GB;q=0.5,\tde",
                "DE, en-gb; q=0.5",
            ],
        ),
    ] {
        let (upstream, proxy) = varying_by(name).await;
        for spelling in spellings {
            let answer = ask(&proxy, &[(name, spelling)]).await;
            answer.expect_body("0").usually(ONE_SPELLING);
        }
        upstream.expect_requests(1);
    }
}

#[tokio::test]
async fn lines_of_a_header_are_one_list() {
    let (_upstream, proxy) = varying_by("accept-encoding").await;

    ask(&proxy, &[("accept-encoding", "gzip")])
        .await
        .expect_body("0");
    let two_lines = [("accept-encoding", "gzip"), ("Accept-Encoding", "br")];
    ask(&proxy, &two_lines)
        .await
        .expect_body("1")
        .usually("headers.get gives the first of several lines");
    let one_line = [("accept-encoding", "gzip, br")];
    ask(&proxy, &one_line)
        .await
        .expect_body("1")
        .usually("headers.get gives the first of several lines");
}

#[tokio::test]
async fn any_header_may_be_the_one() {
    for name in ["x-plan", "user-agent", "accept", "origin"] {
        let (_upstream, proxy) =
            varying_by(&format!("Accept-Encoding, {}", name.to_uppercase())).await;

        ask(&proxy, &[(name, "one")]).await.expect_body("0");
        let other = ask(&proxy, &[(name, "other")]).await;
        other
            .expect_body("1")
            .usually("Vary says which headers, not you");
        ask(&proxy, &[(name, "one")]).await.expect_body("0");
        ask(&proxy, &[(name, "other")]).await.expect_body("1");
        let shout = ask(&proxy, &[(name, "ONE")]).await;
        shout
            .expect_body("2")
            .usually("of most headers, nobody knows whether case means something");
    }
}

#[tokio::test]
async fn every_byte_counts() {
    let (_upstream, proxy) = varying_by("x-plan").await;

    for (value, body) in [(b"\xe4", "0"), (b"\xf6", "1"), (b"\xe4", "0")] {
        let mut wire = proxy.connect().await;
        let head = b"GET /page HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx-plan: ";
        wire.send([&head[..], value, b"\r\n\r\n"].concat()).await;
        let answer = wire.read_response().await;
        answer
            .expect_body(body)
            .usually("a value need not be text: to_str fails, from_utf8_lossy makes all such values the same. Compare bytes");
    }
}

#[tokio::test]
async fn a_header_that_is_absent_is_a_variant_of_its_own() {
    let (_upstream, proxy) = varying_by("x-plan").await;

    ask(&proxy, &[("x-plan", "gold")]).await.expect_body("0");
    ask(&proxy, &[]).await.expect_body("1").usually(ABSENT);
    ask(&proxy, &[("x-plan", "")])
        .await
        .expect_body("2")
        .usually("an empty value is not an absent one");
    ask(&proxy, &[("x-plan", "gold")]).await.expect_body("0");
    ask(&proxy, &[]).await.expect_body("1");
}

#[tokio::test]
async fn purge_takes_all_variants() {
    let (_upstream, proxy) = varying_by("accept-language").await;
    let languages = ["de", "en", "fr"];
    for (n, language) in (0..).zip(languages) {
        ask(&proxy, &[("accept-language", language)])
            .await
            .expect_body(format!("{n}"));
    }

    let purge = proxy
        .request("PURGE", "/page")
        .header("accept-language", "en");
    purge.send().await.expect_status(200);

    for (n, language) in (3..).zip(languages) {
        let answer = ask(&proxy, &[("accept-language", language)]).await;
        answer.expect_body(format!("{n}")).usually(ALL);
    }
}

#[tokio::test]
async fn purge_without_their_headers_takes_them_too() {
    let (_upstream, proxy) = varying_by("accept-encoding").await;
    ask(&proxy, &[("accept-encoding", "gzip")])
        .await
        .expect_body("0");

    let purge = proxy.request("PURGE", "/page").send().await;
    purge.expect_status(200).usually(ALL);

    ask(&proxy, &[("accept-encoding", "gzip")])
        .await
        .expect_body("1");
    ask(&proxy, &[]).await.expect_body("2");
    ask(&proxy, &[("accept-encoding", "gzip")])
        .await
        .expect_body("1");
}

#[tokio::test]
async fn who_may_not_purge_is_refused_and_purges_nothing() {
    let upstream = Upstream::script(
        ["0", "1"].map(|body| Reply::text(200, body).header("cache-control", "max-age=60")),
    )
    .await;
    for networks in ["10.0.0.0/8", "192.0.2.1/32, ::1/128", ""] {
        let proxy = Proxy::of(EXERCISE)
            .env("PURGE_FROM", networks)
            .in_front_of(&upstream)
            .await;
        let first = proxy.get("/page").send().await.text();

        let purge = proxy
            .request("PURGE", "/page")
            .header("x-forwarded-for", "10.1.2.3")
            .header("forwarded", "for=192.0.2.1");
        purge.send().await.expect_status(403).usually(ALLOWED);

        proxy.get("/page").send().await.expect_body(first);
    }
}

#[tokio::test]
async fn who_may_not_purge_is_not_told_what_is_stored() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE)
        .env("PURGE_FROM", "10.0.0.0/8")
        .in_front_of(&upstream)
        .await;

    let purge = proxy.request("PURGE", "/nothing").send().await;
    purge.expect_status(403).usually(ALLOWED);
    upstream.expect_no_request();
}

mod given {
    use super::*;

    #[tokio::test]
    async fn variants_are_kept_apart_and_found_again() {
        for (name, values) in [
            ("accept-encoding", ["gzip", "br", "gzip;q=0", "gzip, br"]),
            ("accept-language", ["de", "en", "de;q=0.5, en", "de, en"]),
        ] {
            let (upstream, proxy) = varying_by(name).await;
            for _ in 0..2 {
                for (n, value) in (0..).zip(values) {
                    ask(&proxy, &[(name, value)])
                        .await
                        .expect_body(format!("{n}"));
                }
            }
            upstream.expect_requests(4);
        }
    }

    #[tokio::test]
    async fn what_does_not_vary_is_for_all() {
        let upstream = Upstream::script(
            ["0", "1"].map(|body| Reply::text(200, body).header("cache-control", "max-age=60")),
        )
        .await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

        ask(&proxy, &[("x-plan", "gold")]).await.expect_body("0");
        ask(&proxy, &[]).await.expect_body("0");
    }

    #[tokio::test]
    async fn nothing_stored_is_404() {
        let (upstream, proxy) = varying_by("accept-encoding").await;

        proxy
            .request("PURGE", "/page")
            .send()
            .await
            .expect_status(404);
        upstream.expect_no_request();
    }

    #[tokio::test]
    async fn purged_is_gone_and_only_that() {
        let (_upstream, proxy) = varying_by("x-none").await;
        proxy.get("/page").send().await.expect_body("0");
        proxy.get("/other").send().await.expect_body("1");

        proxy
            .request("PURGE", "/page")
            .send()
            .await
            .expect_status(200);

        proxy.get("/other").send().await.expect_body("1");
        proxy.get("/page").send().await.expect_body("2");
        proxy
            .request("PURGE", "/page")
            .send()
            .await
            .expect_status(200);
        proxy
            .request("PURGE", "/page")
            .send()
            .await
            .expect_status(404);
    }

    #[tokio::test]
    async fn networks_that_are_none_are_refused() {
        let ended = Proxy::of(EXERCISE)
            .env("PURGE_FROM", "everybody")
            .run_to_end()
            .await;

        ended.expect_code(2);
        ended.expect_stderr_contains("PURGE_FROM");
    }
}
