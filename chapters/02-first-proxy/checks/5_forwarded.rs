//! 2.5 The upstream learns who the client is, and nobody can make it believe otherwise.

use lab::{Proxy, Upstream};

const EXERCISE: &str = "2-5";

const SOCKET: &str =
    "whom to trust is decided by the address that opened the connection; a header can say anything";

/// The lab's clients come from 127.0.0.1, so this network holds them, and the other one does not.
const CLIENTS: &str = "127.0.0.0/8";
const ELSEWHERE: &str = "10.0.0.0/8";

async fn start(upstream: &Upstream, trusted: &str) -> Proxy {
    Proxy::of(EXERCISE)
        .env("TRUSTED_PROXIES", trusted)
        .in_front_of(upstream)
        .await
}

#[tokio::test]
async fn a_trusted_proxy_is_believed_and_joins_the_list() {
    let upstream = Upstream::echo().await;
    let proxy = start(&upstream, CLIENTS).await;

    proxy
        .get("/")
        .header("x-forwarded-for", "203.0.113.9")
        .send()
        .await
        .expect_status(200);

    upstream
        .last_request()
        .expect_list("x-forwarded-for", ["203.0.113.9", "127.0.0.1"])
        .usually(SOCKET);
}

#[tokio::test]
async fn a_list_of_several_lines_keeps_its_order() {
    let upstream = Upstream::echo().await;
    let proxy = start(&upstream, CLIENTS).await;

    proxy
        .get("/")
        .header("x-forwarded-for", "203.0.113.9, 198.51.100.1")
        .header("x-forwarded-for", "198.51.100.2")
        .send()
        .await
        .expect_status(200);

    upstream
        .last_request()
        .expect_list(
            "x-forwarded-for",
            ["203.0.113.9", "198.51.100.1", "198.51.100.2", "127.0.0.1"],
        )
        .usually("a list header may stand in several lines: headers.get gives only the first");
}

#[tokio::test]
async fn a_forged_address_is_dropped() {
    let upstream = Upstream::echo().await;
    let proxy = start(&upstream, ELSEWHERE).await;

    // It even claims to come from the trusted network.
    proxy
        .get("/")
        .header("x-forwarded-for", "10.1.2.3")
        .send()
        .await
        .expect_status(200);

    upstream
        .last_request()
        .expect_list("x-forwarded-for", ["127.0.0.1"])
        .usually(SOCKET);
}

#[tokio::test]
async fn a_forged_protocol_and_host_are_dropped() {
    let upstream = Upstream::echo().await;
    let proxy = start(&upstream, ELSEWHERE).await;

    proxy
        .get("/")
        .header("host", "shop.example")
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-host", "evil.example")
        .header("forwarded", "for=10.1.2.3")
        .send()
        .await
        .expect_status(200);

    let request = upstream.last_request();
    request
        .expect_list("x-forwarded-proto", ["http"])
        .usually("Proto and Host can be forged as easily as For");
    request.expect_list("x-forwarded-host", ["shop.example"]);
    request
        .expect_no_header("forwarded")
        .usually("RFC 7239's Forwarded says the same as the three, so it is forged the same way");
}

#[tokio::test]
async fn by_default_nobody_is_trusted() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    proxy
        .get("/")
        .header("x-forwarded-for", "203.0.113.9")
        .header("x-forwarded-proto", "https")
        .send()
        .await
        .expect_status(200);

    let request = upstream.last_request();
    request.expect_list("x-forwarded-for", ["127.0.0.1"]);
    request.expect_list("x-forwarded-proto", ["http"]);
}

#[tokio::test]
async fn everything_forged_at_once_is_dropped() {
    let upstream = Upstream::echo().await;
    // 127.1.0.0/16 looks like the client's network and does not hold it.
    let proxy = start(&upstream, "10.0.0.0/8,127.1.0.0/16").await;

    proxy
        .get("/")
        .header("x-forwarded-for", "10.1.2.3")
        .header("x-forwarded-for", "127.1.0.1")
        .header("x-forwarded-host", "evil.example")
        .header("forwarded", "for=10.1.2.3")
        .header("forwarded", "for=10.1.2.4")
        .send()
        .await
        .expect_status(200);

    let request = upstream.last_request();
    request
        .expect_list("x-forwarded-for", ["127.0.0.1"])
        .usually(SOCKET);
    request.expect_no_header("forwarded");
}

mod given {
    use super::*;

    #[tokio::test]
    async fn a_client_without_these_headers_is_told_of() {
        let upstream = Upstream::echo().await;
        let proxy = start(&upstream, ELSEWHERE).await;

        proxy
            .get("/")
            .header("host", "shop.example")
            .send()
            .await
            .expect_status(200);

        let request = upstream.last_request();
        request.expect_list("x-forwarded-for", ["127.0.0.1"]);
        request.expect_list("x-forwarded-proto", ["http"]);
        request.expect_list("x-forwarded-host", ["shop.example"]);
    }

    #[tokio::test]
    async fn what_a_trusted_proxy_says_of_protocol_and_host_is_kept() {
        let upstream = Upstream::echo().await;
        let proxy = start(&upstream, CLIENTS).await;

        proxy
            .get("/")
            .header("x-forwarded-proto", "https")
            .header("x-forwarded-host", "shop.example")
            .send()
            .await
            .expect_status(200);

        let request = upstream.last_request();
        request.expect_list("x-forwarded-proto", ["https"]);
        request.expect_list("x-forwarded-host", ["shop.example"]);
    }

    #[tokio::test]
    async fn any_of_the_networks_will_do_and_the_address_is_always_last() {
        let upstream = Upstream::echo().await;
        let proxy = start(&upstream, "10.0.0.0/8,127.0.0.1/32").await;

        proxy
            .get("/")
            .header("x-forwarded-for", "127.0.0.1")
            .header("x-forwarded-for", "203.0.113.9")
            .send()
            .await
            .expect_status(200);

        let list = ["127.0.0.1", "203.0.113.9", "127.0.0.1"];
        upstream.last_request().expect_list("x-forwarded-for", list);
    }

    #[tokio::test]
    async fn a_network_that_is_none_is_refused() {
        let ended = Proxy::of(EXERCISE)
            .env("TRUSTED_PROXIES", "10.0.0.0/8,home")
            .run_to_end()
            .await;

        ended.expect_code(2);
        ended.expect_stderr_contains("TRUSTED_PROXIES");
    }
}
