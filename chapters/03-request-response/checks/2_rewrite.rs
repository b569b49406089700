//! 3.2 The upstream never sees the prefix, the client never loses it, and nothing else changes.

use lab::{Proxy, Reply, Response, Upstream};

const EXERCISE: &str = "3-2";

const ALL_OF_IT: &str = "the target is path and query, and uri.path() is only the path";
const OWN: &str = "without the prefix the client is led out of what this upstream serves";
const AUTHORITY: &str = "what follows two slashes is an authority, up to the next / ? or #; it is the upstream's only if all of it is";

/// The proxy, and an upstream that answers one request after the other with these values of a header.
async fn start(name: &str, values: &[&str]) -> (Proxy, Upstream) {
    let replies = values
        .iter()
        .map(|value| Reply::status(302).header(name, *value));
    let upstream = Upstream::script(replies).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    (proxy, upstream)
}

/// Asks shop.example for a page.
async fn ask(proxy: &Proxy) -> Response {
    let get = proxy.get("/api/list").header("host", "shop.example");
    get.send().await
}

/// Whether a reference leads to this path on shop.example: with or without scheme and authority, both are right.
fn leads_to(path: &str) -> impl Fn(&str) -> bool {
    move |reference| {
        let reference = reference.to_ascii_lowercase();
        let rest = reference.strip_prefix("http:").unwrap_or(&reference);
        rest.strip_prefix("//shop.example").unwrap_or(rest) == path
    }
}

#[tokio::test]
async fn the_query_survives() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    for (sent, wanted) in [
        ("/api/list?x=1&y=%20&x=2", "/list?x=1&y=%20&x=2"),
        ("/api/list?", "/list?"),
        ("/api/list?next=/api/x?y", "/list?next=/api/x?y"),
    ] {
        proxy.get(sent).send().await.expect_status(200);
        let request = upstream.last_request();
        request.expect_target(wanted).usually(ALL_OF_IT);
    }
}

#[tokio::test]
async fn the_prefix_alone_becomes_a_slash() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    for (sent, wanted) in [("/api", "/"), ("/api?x=1", "/?x=1"), ("/api?/x", "/?/x")] {
        proxy
            .get(sent)
            .send()
            .await
            .expect_status(200)
            .usually("nothing is left of /api, and a path is never empty");
        upstream.last_request().expect_target(wanted);
    }
}

#[tokio::test]
async fn only_the_first_prefix_is_taken_off() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    for (sent, wanted) in [
        ("/api/api/x", "/api/x"),
        ("/api/api", "/api"),
        ("/api/apix", "/apix"),
        ("/api/v1/api/x", "/v1/api/x"),
    ] {
        proxy.get(sent).send().await.expect_status(200);
        upstream.last_request().expect_target(wanted).usually(
            "strip_prefix takes it off once; trim_start_matches and replace as often as they find it",
        );
    }
}

#[tokio::test]
async fn encoding_and_slashes_survive() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    for (sent, wanted) in [
        (
            "/api/a%2Fb/%7euser//c/../d;v=1?q=%41",
            "/a%2Fb/%7euser//c/../d;v=1?q=%41",
        ),
        ("/api//list?//", "//list?//"),
    ] {
        proxy.get(sent).send().await.expect_status(200);
        upstream.last_request().expect_target(wanted);
    }
}

#[tokio::test]
async fn bytes_beyond_ascii_survive() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    let get = proxy.get("/api/caf\u{e9}?x=\u{fc}");
    get.send().await.expect_status(200);

    let request = upstream.last_request();
    request.expect_target("/caf\u{e9}?x=\u{fc}");
}

#[tokio::test]
async fn the_absolute_form_is_rewritten_too() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    let get = proxy.get("http://shop.example/api/x?y=/api");
    get.header("host", "shop.example")
        .send()
        .await
        .expect_status(200);

    let request = upstream.last_request();
    request.expect_header("host", "shop.example");
    let right = ["/x?y=/api", "http://shop.example/x?y=/api"];
    lab::expect(
        right.contains(&request.target.as_str()),
        format!("{right:?}, but the upstream got {}", request.target),
    );
}

#[tokio::test]
async fn a_redirect_to_the_own_host_is_mapped_back() {
    let locations = [
        "http://shop.example/login",
        "HTTP://Shop.Example/login",
        "http://shop.example/login?next=http://a/b#c",
    ];
    let (proxy, _upstream) = start("Location", &locations).await;

    for path in ["/api/login", "/api/login", "/api/login?next=http://a/b#c"] {
        ask(&proxy)
            .await
            .expect_header_where("location", path, leads_to(path))
            .usually(OWN);
    }
}

#[tokio::test]
async fn a_redirect_to_the_own_host_without_a_path_is_mapped_back() {
    let locations = [
        "http://shop.example",
        "//shop.example",
        "http://shop.example?page=2",
        "http://shop.example#top",
    ];
    let (proxy, _upstream) = start("Location", &locations).await;

    // With a slash at the end of the path or without.
    for (path, or) in [
        ("/api", "/api/"),
        ("/api", "/api/"),
        ("/api?page=2", "/api/?page=2"),
        ("/api#top", "/api/#top"),
    ] {
        ask(&proxy)
            .await
            .expect_header_where("location", path, |location| {
                leads_to(path)(location) || leads_to(or)(location)
            })
            .usually(OWN);
    }
}

#[tokio::test]
async fn a_redirect_without_a_scheme_is_mapped_back() {
    let (proxy, _upstream) = start(
        "Location",
        &["//shop.example/login", "//SHOP.example/login"],
    )
    .await;

    for _ in 0..2 {
        ask(&proxy)
            .await
            .expect_header_where("location", "/api/login", leads_to("/api/login"))
            .usually(AUTHORITY);
    }
}

#[tokio::test]
async fn a_redirect_to_the_upstreams_address_is_mapped_back() {
    let upstream = Upstream::always_at(|address| {
        Reply::status(302).header("Location", format!("http://{address}/login"))
    })
    .await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    ask(&proxy)
        .await
        .expect_header_where("location", "/api/login", leads_to("/api/login"))
        .usually("no client can reach that address: it is behind the proxy");
}

#[tokio::test]
async fn a_redirect_that_is_not_ascii_is_mapped_back() {
    let (proxy, _upstream) = start("Location", &["/caf\u{e9}"]).await;

    ask(&proxy)
        .await
        .expect_header("location", "/api/caf\u{e9}")
        .usually("to_str takes ASCII only; as_bytes takes what there is");
}

#[tokio::test]
async fn a_redirect_to_elsewhere_is_left_alone() {
    let locations = [
        "//cdn.example/x",
        "//shop.example.evil.example/login",
        "//shop.example@evil.example/",
        "//shop.example:8080/login",
        "//evil.example?//shop.example/",
    ];
    let (proxy, _upstream) = start("Location", &locations).await;

    for location in locations {
        let answer = ask(&proxy).await;
        answer
            .expect_header("location", location)
            .usually(AUTHORITY);
    }
}

#[tokio::test]
async fn content_location_is_mapped_back() {
    let values = ["/list.json", "http://shop.example/list.json"];
    let (proxy, _upstream) = start("Content-Location", &values).await;

    for _ in values {
        ask(&proxy)
            .await
            .expect_header_where(
                "content-location",
                "/api/list.json",
                leads_to("/api/list.json"),
            )
            .usually(
                "it names a resource of the upstream, as Location does (RFC 9110, section 8.7)",
            );
    }
}

mod given {
    use super::*;

    #[tokio::test]
    async fn a_path_under_the_prefix_is_forwarded() {
        let upstream = Upstream::echo().await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

        for (sent, wanted) in [
            ("/api/", "/"),
            ("/api/list", "/list"),
            ("/api/a/b/", "/a/b/"),
        ] {
            proxy.get(sent).send().await.expect_status(200);
            upstream.last_request().expect_target(wanted);
        }
    }

    #[tokio::test]
    async fn other_paths_are_404() {
        let upstream = Upstream::echo().await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

        for path in ["/", "/apix", "/ap", "/x/api"] {
            proxy.get(path).send().await.expect_status(404);
        }
        upstream.expect_no_request();
    }

    #[tokio::test]
    async fn bytes_that_are_not_utf8_are_refused_by_pingora() {
        let upstream = Upstream::echo().await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

        let mut wire = proxy.connect().await;
        wire.send(b"GET /api/caf\xe9 HTTP/1.1\r\nHost: shop.example\r\n\r\n")
            .await;

        wire.read_response().await.expect_status(400);
        upstream.expect_no_request();
    }

    #[tokio::test]
    async fn a_redirect_by_path_is_mapped_back() {
        let locations = ["/login", "/", "/login?next=/a&x=//b#c"];
        let (proxy, _upstream) = start("Location", &locations).await;

        for wanted in ["/api/login", "/api/", "/api/login?next=/a&x=//b#c"] {
            let answer = ask(&proxy).await;
            answer.expect_status(302);
            answer.expect_header_where("location", wanted, leads_to(wanted));
        }
    }

    #[tokio::test]
    async fn another_host_is_left_alone() {
        let locations = [
            "http://login.example/x",
            "https://login.example/",
            "http://shop.example.evil.example/login",
            "http://shop.example@evil.example/login",
            "http://evil.example/http://shop.example/",
            "http://myshop.example/",
            "http://shop.example:8080/login",
            "mailto:shop@shop.example",
            "ftp://shop.example/login",
        ];
        let (proxy, _upstream) = start("Location", &locations).await;

        for location in locations {
            ask(&proxy).await.expect_header("location", location);
        }
    }

    #[tokio::test]
    async fn a_relative_reference_is_left_alone() {
        let locations = ["next", "../x", "./", "?page=2", "#top", "", "http:next"];
        let (proxy, _upstream) = start("Location", &locations).await;

        for location in locations {
            ask(&proxy).await.expect_header("location", location);
        }
    }

    #[tokio::test]
    async fn other_headers_are_left_alone() {
        let (proxy, _upstream) = start("Link", &["</list?page=2>; rel=next"]).await;

        let answer = ask(&proxy).await;

        answer.expect_header("link", "</list?page=2>; rel=next");
        answer.expect_no_header("location");
        answer.expect_no_header("content-location");
    }
}
