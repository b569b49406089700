//! 2.6 The upstream is found by name, for each request anew, and a name that is not found is no catastrophe.

use lab::{NameServer, Proxy, Reply, Upstream};

const EXERCISE: &str = "2-6";

const NAME: &str = "backend.test";

async fn start(upstream: &Upstream, names: &NameServer) -> Proxy {
    start_with_timeout("1000", upstream, names).await
}

async fn start_with_timeout(milliseconds: &str, upstream: &Upstream, names: &NameServer) -> Proxy {
    Proxy::of(EXERCISE)
        .env("DNS_TIMEOUT_MS", milliseconds)
        .env(
            "UPSTREAM_NAME",
            format!("{NAME}:{}", upstream.address().port()),
        )
        .env("DNS_SERVER", names.address().to_string())
        .in_front_of(upstream)
        .await
}

#[tokio::test]
async fn a_name_that_is_not_known_is_502() {
    let upstream = Upstream::echo().await;
    let names = NameServer::start().await;
    let proxy = start(&upstream, &names).await;

    proxy.get("/").send().await.expect_status(502).usually(
        "an error of type HTTPStatus(502) is answered with 502; an internal error with 500",
    );
    proxy.wait_for_log(NAME).await;
}

#[tokio::test]
async fn a_name_that_appears_later_is_found() {
    let upstream = Upstream::always(Reply::text(200, "hello")).await;
    let names = NameServer::start().await;
    let proxy = start(&upstream, &names).await;

    proxy.get("/").send().await.expect_status(502);
    names.answer(NAME, [upstream.address().ip()]);

    proxy.get("/").send().await.expect_body("hello");
}

#[tokio::test]
async fn a_name_that_goes_away_is_noticed() {
    let upstream = Upstream::always(Reply::text(200, "hello")).await;
    let names = NameServer::start().await;
    // With a TTL of zero an answer holds for one request.
    names.answer(NAME, [upstream.address().ip()]);
    let proxy = start(&upstream, &names).await;

    proxy.get("/").send().await.expect_body("hello");
    names.deny(NAME);

    proxy
        .get("/")
        .send()
        .await
        .expect_status(502)
        .usually("an address that is kept for good is wrong as soon as the name moves");
}

#[tokio::test]
async fn a_silent_name_server_is_502() {
    let upstream = Upstream::echo().await;
    let names = NameServer::start().await;
    names.silence();
    let proxy = start_with_timeout("100", &upstream, &names).await;

    proxy.get("/").must_be_answered().await.expect_status(502);
    proxy.wait_for_log(NAME).await;
}

#[tokio::test]
async fn an_old_address_does_not_outlive_its_ttl_in_silence() {
    let upstream = Upstream::always(Reply::text(200, "hello")).await;
    let names = NameServer::start().await;
    names.answer(NAME, [upstream.address().ip()]);
    let proxy = start_with_timeout("100", &upstream, &names).await;

    proxy.get("/").send().await.expect_body("hello");
    names.silence();

    proxy.get("/").must_be_answered().await.expect_status(502);
}

mod given {
    use super::*;

    #[tokio::test]
    async fn a_name_is_found() {
        let upstream = Upstream::always(Reply::text(200, "hello")).await;
        let names = NameServer::start().await;
        names.answer(NAME, [upstream.address().ip()]);
        let proxy = start(&upstream, &names).await;

        proxy.get("/").send().await.expect_body("hello");
    }

    #[tokio::test]
    async fn while_the_name_server_is_silent_other_requests_pass() {
        let upstream = Upstream::echo().await;
        let names = NameServer::start().await;
        names.silence();
        // An hour, so the first request waits for as long as the test lasts.
        let proxy = start_with_timeout("3600000", &upstream, &names).await;

        let waiting = tokio::spawn(proxy.get("/").send());
        names.wait_for_queries(1).await;
        proxy
            .get("/healthz")
            .must_be_answered()
            .await
            .expect_body("ok")
            .usually("who blocks a thread of the runtime stops every request on it: await instead");
        waiting.abort();
    }

    #[tokio::test]
    async fn a_setting_that_cannot_be_read_is_refused() {
        let ended = Proxy::of(EXERCISE)
            .env("UPSTREAM_NAME", "no-port")
            .run_to_end()
            .await;
        ended.expect_code(2);
        ended.expect_stderr_contains("UPSTREAM_NAME");

        let ended = Proxy::of(EXERCISE)
            .env("UPSTREAM_NAME", "backend.test:80")
            .env("DNS_SERVER", "nowhere")
            .run_to_end()
            .await;
        ended.expect_code(2);
        ended.expect_stderr_contains("DNS_SERVER");
    }
}
