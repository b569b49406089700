//! 3.1 A request goes where host and path say, and what is decided on is what is sent.

use lab::{Proxy, Reply, Upstream, expect};

const EXERCISE: &str = "3-1";

const BORDER: &str = "starts_with compares bytes; a prefix fits where the path ends after it, or goes on with a slash";
const LONGEST: &str = "the first route that fits depends on the order of the lines: look at all of them, and take the one with the longest prefix";
const HOST: &str =
    "names have no case and the port is not part of the name (RFC 9110, section 4.2.3)";
const DOTS: &str = "the route is chosen by /api, the upstream resolves the dots and serves another path: nobody decided on that one";

/// The proxy and its upstreams, each of which says which one it is.
async fn start() -> (Proxy, [Upstream; 3]) {
    let upstreams = [
        Upstream::always(Reply::text(200, "first")).await,
        Upstream::always(Reply::text(200, "second")).await,
        Upstream::always(Reply::text(200, "third")).await,
    ];
    let proxy = Proxy::of(EXERCISE).in_front_of_all(&upstreams).await;
    (proxy, upstreams)
}

#[tokio::test]
async fn the_longest_prefix_wins() {
    let (proxy, _upstreams) = start().await;

    for path in ["/api/v2", "/api/v2/", "/api/v2/orders", "/api/v2?page=2"] {
        proxy
            .get(path)
            .header("host", "shop.example")
            .send()
            .await
            .expect_body("third")
            .usually(LONGEST);
    }
}

#[tokio::test]
async fn a_prefix_ends_at_a_segment_border() {
    let (proxy, _upstreams) = start().await;

    for path in ["/apix", "/api-docs/", "/api.json", "/api%2Fv2", "/api;v=2"] {
        proxy
            .get(path)
            .header("host", "shop.example")
            .send()
            .await
            .expect_body("first")
            .usually(BORDER);
    }
}

#[tokio::test]
async fn a_longer_prefix_ends_at_a_border_too() {
    let (proxy, _upstreams) = start().await;

    let answer = proxy.get("/guides").header("host", "docs.example").send();
    answer.await.expect_status(404).usually(BORDER);

    let answer = proxy.get("/api/v23").header("host", "shop.example").send();
    answer.await.expect_body("second").usually(BORDER);
}

#[tokio::test]
async fn the_host_has_no_case() {
    let (proxy, _upstreams) = start().await;

    for host in ["SHOP.EXAMPLE", "Shop.Example"] {
        let answer = proxy.get("/api").header("host", host).send().await;
        answer.expect_body("second").usually(HOST);
    }
}

#[tokio::test]
async fn the_port_does_not_matter() {
    let (proxy, _upstreams) = start().await;

    for host in ["shop.example:80", "shop.example:6188", "shop.example:"] {
        let answer = proxy.get("/api").header("host", host).send().await;
        answer.expect_body("second").usually(HOST);
    }
}

#[tokio::test]
async fn the_dot_that_ends_a_full_name_does_not_matter() {
    let (proxy, _upstreams) = start().await;

    for host in ["shop.example.", "shop.example.:6188"] {
        let answer = proxy.get("/api").header("host", host).send().await;
        answer
            .expect_body("second")
            .usually("the dot ends the name, and a port may follow it: take off the port first");
    }
}

#[tokio::test]
async fn the_colons_of_an_ipv6_address_are_no_port() {
    let (proxy, _upstreams) = start().await;

    for host in ["[2001:db8::1]:6188", "[2001:DB8::1]"] {
        proxy
            .get("/")
            .header("host", host)
            .send()
            .await
            .expect_body("second")
            .usually("only a colon behind the closing bracket begins a port");
    }
}

#[tokio::test]
async fn dot_segments_are_refused() {
    let (proxy, upstreams) = start().await;

    for path in ["/api/../admin", "/api/..", "/./api", "/api/./v2", "/../api"] {
        let answer = proxy.get(path).header("host", "shop.example").send().await;
        answer.expect_status(400).usually(DOTS);
        answer.expect_json("/status", 400);
    }

    for upstream in &upstreams {
        upstream.expect_no_request();
    }
}

#[tokio::test]
async fn encoded_dot_segments_are_refused() {
    let (proxy, upstreams) = start().await;

    for path in [
        "/api/%2e%2e/admin",
        "/api/%2E%2E/admin",
        "/api/.%2e",
        "/%2e/api",
        "/api%2f..%2Fadmin",
        "/api/..%2fadmin",
        "/api%2F%2e%2e/admin",
    ] {
        let answer = proxy.get(path).header("host", "shop.example").send().await;
        answer.expect_status(400).usually(DOTS);
    }

    for upstream in &upstreams {
        upstream.expect_no_request();
    }
}

#[tokio::test]
async fn dot_segments_in_the_absolute_form_are_refused() {
    let (proxy, upstreams) = start().await;

    proxy
        .get("http://shop.example/api/../admin")
        .header("host", "shop.example")
        .send()
        .await
        .expect_status(400)
        .usually(DOTS);

    upstreams[1].expect_no_request();
}

mod given {
    use super::*;

    #[tokio::test]
    async fn each_route_leads_to_its_upstream() {
        let (proxy, _upstreams) = start().await;

        for (host, path, body) in [
            ("shop.example", "/", "first"),
            ("shop.example", "/guide", "first"),
            ("shop.example", "/API", "first"),
            ("shop.example", "/api", "second"),
            ("shop.example", "/api/", "second"),
            ("shop.example", "/api/v1/orders?x=/api/v2", "second"),
            ("docs.example", "/guide/start", "third"),
            ("[2001:db8::1]", "/", "second"),
        ] {
            let answer = proxy.get(path).header("host", host).send().await;
            answer.expect_body(body);
        }
    }

    #[tokio::test]
    async fn what_has_no_route_is_404() {
        let (proxy, upstreams) = start().await;
        let client = proxy.client().await;

        for (host, path) in [
            ("docs.example", "/"),
            ("docs.example", "/api"),
            ("other.example", "/"),
            ("example", "/"),
            ("my.shop.example", "/"),
            ("shop.example.org", "/"),
        ] {
            let answer = client.get(path).header("host", host).send().await;
            answer.expect_status(404);
            answer.expect_json("/status", 404);
        }
        client.expect_open().await;

        for upstream in &upstreams {
            upstream.expect_no_request();
        }
    }

    #[tokio::test]
    async fn the_target_arrives_as_it_was_sent() {
        let (proxy, upstreams) = start().await;

        for (path, upstream) in [
            ("/a%2Fb//c?x=%20&y=../z&x=2", 0),
            ("//api/v2", 0),
            ("/%61pi", 0),
            ("/api//v2", 1),
            ("/api/%762?", 1),
        ] {
            let answer = proxy.get(path).header("host", "shop.example").send().await;
            answer.expect_body(["first", "second"][upstream]).usually(
                "the route is chosen by the path as it was sent, since that is what the upstream gets: not decoded, not tidied up",
            );
            upstreams[upstream].last_request().expect_target(path);
        }
    }

    #[tokio::test]
    async fn a_fragment_is_gone_before_the_decision() {
        let (proxy, upstreams) = start().await;

        let mut wire = proxy.connect().await;
        wire.send("GET /a?b#/../c HTTP/1.1\r\nHost: shop.example\r\n\r\n")
            .await;

        wire.read_response().await.expect_body("first");
        upstreams[0].last_request().expect_target("/a?b");
    }

    #[tokio::test]
    async fn other_dots_are_not_refused() {
        let (proxy, _upstreams) = start().await;

        for path in [
            "/.well-known/security.txt",
            "/...",
            "/..a",
            "/a..",
            "/a/.b./c",
            "/%2e%2e%2e",
            "/%252e%252e/a",
            "/a/..;/b",
            "/a\\..\\b",
            "/?next=/../x",
            "/?../",
        ] {
            let answer = proxy.get(path).header("host", "shop.example").send().await;
            answer.expect_body("first");
        }
    }

    #[tokio::test]
    async fn the_absolute_form_has_the_same_routes() {
        let (proxy, _upstreams) = start().await;

        let target = "http://shop.example/api/orders";
        let answer = proxy
            .get(target)
            .header("host", "shop.example")
            .send()
            .await;
        answer.expect_body("second");

        let target = "http://shop.example/";
        let answer = proxy
            .get(target)
            .header("host", "docs.example")
            .send()
            .await;
        answer.expect_status(400);
    }

    #[tokio::test]
    async fn a_host_that_is_none_is_answered() {
        let (proxy, _upstreams) = start().await;

        for host in [
            "",
            ":",
            ".",
            "]",
            "[",
            "[::1",
            "[]:",
            "::1",
            "a:b:c",
            "sh\u{f6}p",
        ] {
            let answer = proxy.get("/").header("host", host).send().await;
            // 400 is as right as 404.
            expect(
                [400, 404].contains(&answer.status),
                format!(
                    "404 for the host {host:?}, but the status is {}",
                    answer.status
                ),
            );
        }
    }

    #[tokio::test]
    async fn a_request_without_a_host_is_answered() {
        let (proxy, _upstreams) = start().await;

        let mut wire = proxy.connect().await;
        wire.send("GET / HTTP/1.0\r\n\r\n").await;

        wire.read_response().await.expect_status(404);
    }
}
