//! 2.3 A slow upstream gives 504, a broken one 502, and no client waits without end.

use lab::{Proxy, Reply, Upstream};

const EXERCISE: &str = "2-3";

const NO_LIMIT: &str = "a peer without peer.options.read_timeout and write_timeout waits as long as the upstream likes";
const MAPPING: &str = "without a fail_to_proxy of yours Pingora says 502 to everything that an upstream did, time-outs included";

async fn start(upstream: &Upstream) -> Proxy {
    Proxy::of(EXERCISE)
        .env("CONNECT_TIMEOUT_MS", "200")
        .env("READ_TIMEOUT_MS", "200")
        .env("WRITE_TIMEOUT_MS", "200")
        .in_front_of(upstream)
        .await
}

#[tokio::test]
async fn silence_instead_of_an_answer_is_504() {
    let upstream = Upstream::always(Reply::stall()).await;
    let proxy = start(&upstream).await;

    proxy
        .get("/")
        .must_be_answered()
        .await
        .expect_status(504)
        .usually(NO_LIMIT);
}

#[tokio::test]
async fn no_connection_in_time_is_504() {
    let upstream = Upstream::unreachable().await;
    let proxy = start(&upstream).await;

    proxy
        .get("/")
        .must_be_answered()
        .await
        .expect_status(504)
        .usually(MAPPING);
}

#[tokio::test]
async fn an_upload_that_nobody_takes_is_504() {
    let upstream = Upstream::always(Reply::stop_reading()).await;
    let proxy = start(&upstream).await;

    // More than all buffers on the way can hold.
    let upload = proxy.post("/upload").body(vec![b'x'; 64 << 20]);

    upload
        .must_be_answered()
        .await
        .expect_status(504)
        .usually(NO_LIMIT);
}

#[tokio::test]
async fn an_answer_that_stops_half_way_is_cut_not_completed() {
    // 5 of 10 bytes, then nothing more: the status is gone to the client already.
    let upstream = Upstream::always(Reply::raw(
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
    ))
    .await;
    let proxy = start(&upstream).await;

    proxy
        .get("/")
        .must_be_answered()
        .await
        .expect_cut_short()
        .usually(
            "once the header is sent only the closed connection can tell that the rest is missing",
        );
}

#[tokio::test]
async fn each_limit_is_its_own() {
    // An hour for the others, so only the one that is named can end the wait.
    let hour = || {
        ["CONNECT_TIMEOUT_MS", "READ_TIMEOUT_MS", "WRITE_TIMEOUT_MS"]
            .into_iter()
            .fold(Proxy::of(EXERCISE), |proxy, name| {
                proxy.env(name, "3600000")
            })
    };

    let upstream = Upstream::unreachable().await;
    let proxy = hour()
        .env("CONNECT_TIMEOUT_MS", "200")
        .in_front_of(&upstream)
        .await;
    proxy
        .get("/")
        .must_be_answered()
        .await
        .expect_status(504)
        .usually(MAPPING);

    let upstream = Upstream::always(Reply::stall()).await;
    let proxy = hour()
        .env("READ_TIMEOUT_MS", "200")
        .in_front_of(&upstream)
        .await;
    proxy
        .get("/")
        .must_be_answered()
        .await
        .expect_status(504)
        .usually(NO_LIMIT);
}

mod given {
    use super::*;

    #[tokio::test]
    async fn a_refused_connection_is_502() {
        let upstream = Upstream::refusing().await;
        let proxy = start(&upstream).await;

        proxy.get("/").send().await.expect_status(502);
    }

    #[tokio::test]
    async fn an_upstream_that_hangs_up_is_502() {
        for reply in [Reply::close(), Reply::reset()] {
            let upstream = Upstream::always(reply).await;
            let proxy = start(&upstream).await;

            proxy.get("/").send().await.expect_status(502);
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_not_http_is_502() {
        let upstream = Upstream::always(Reply::garbage().then_close()).await;
        let proxy = start(&upstream).await;

        proxy.get("/").send().await.expect_status(502);
    }

    #[tokio::test]
    async fn an_answer_in_time_is_passed_on() {
        let upstream = Upstream::always(Reply::text(200, "in time")).await;
        let proxy = start(&upstream).await;

        proxy.get("/").send().await.expect_body("in time");
    }

    #[tokio::test]
    async fn a_limit_that_is_no_number_is_refused() {
        let ended = Proxy::of(EXERCISE)
            .env("READ_TIMEOUT_MS", "long")
            .run_to_end()
            .await;

        ended.expect_code(2);
        ended.expect_stderr_contains("READ_TIMEOUT_MS");
    }
}
