//! 5.5 What fails at one upstream is tried at another, if that does no harm, and within bounds.

use lab::{Proxy, Reply, Upstream, eventually, expect};

const EXERCISE: &str = "5-5";

const ELSEWHERE: &str =
    "set_retry(true) asks upstream_peer again, which has to choose one that was not tried yet";
const TWICE: &str = "a POST that was sent may have been carried out, although no answer came: only idempotent methods may be sent again (RFC 9110, section 9.2.2)";
const GONE: &str =
    "error.esource() tells whose fault it was: the client's, and it will not read another answer";
const NOT_WHOLE: &str =
    "session.as_ref().retry_buffer_truncated() tells that the body cannot be sent again";
const STORM: &str =
    "each retry needs one from the budget, which grows by requests of clients and not by tries";

/// A proxy with so large a budget that only harm is a reason not to try again.
async fn start(upstreams: &[&Upstream]) -> Proxy {
    Proxy::of(EXERCISE)
        .env("RETRY_FLOOR", "1000")
        .in_front_of_all(upstreams.iter().copied())
        .await
}

#[tokio::test]
async fn a_refused_connection_is_tried_elsewhere_with_any_method() {
    let (refusing, spare) = (Upstream::refusing().await, Upstream::echo().await);
    let proxy = start(&[&refusing, &spare]).await;

    for method in ["GET", "POST", "PATCH", "DELETE"] {
        let request = proxy.request(method, "/order").body("one book");
        request.send().await.expect_status(200).usually(ELSEWHERE);
        spare.last_request().expect_method(method);
        spare.last_request().expect_body("one book");
    }
}

#[tokio::test]
async fn an_idempotent_request_without_an_answer_is_tried_elsewhere() {
    for reply in [Reply::reset(), Reply::close()] {
        let (broken, spare) = (Upstream::always(reply).await, Upstream::echo().await);
        let proxy = start(&[&broken, &spare]).await;

        for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
            let request = proxy.request(method, "/order").body("one book");
            request.send().await.expect_status(200).usually(ELSEWHERE);
            spare.last_request().expect_method(method);
            spare.last_request().expect_body("one book");
        }
        broken.expect_requests(4);
    }
}

#[tokio::test]
async fn what_is_not_idempotent_is_never_sent_twice() {
    for reply in [Reply::reset(), Reply::close()] {
        let (broken, spare) = (Upstream::always(reply).await, Upstream::echo().await);
        let proxy = start(&[&broken, &spare]).await;

        for method in ["POST", "PATCH"] {
            let request = proxy.request(method, "/order").body("one book");
            request.send().await.expect_status(502).usually(TWICE);
        }
        spare.expect_no_request().usually(TWICE);
        broken.expect_requests(2).usually(TWICE);
    }
}

#[tokio::test]
async fn a_kept_connection_is_no_excuse_to_send_a_post_twice() {
    let replies = [Reply::text(200, "hello"), Reply::reset()];
    let (broken, spare) = (Upstream::script(replies).await, Upstream::echo().await);
    let proxy = start(&[&broken, &spare]).await;

    proxy.get("/").send().await.expect_body("hello");
    let order = proxy.post("/order").body("one book").send().await;

    order.expect_status(502).usually(TWICE);
    broken.expect_requests(2).usually(TWICE);
    spare.expect_no_request().usually(TWICE);
}

#[tokio::test]
async fn an_answer_that_has_begun_is_not_begun_again() {
    let (broken, spare) = (
        Upstream::always(Reply::truncated(10, "hello")).await,
        Upstream::echo().await,
    );
    let proxy = start(&[&broken, &spare]).await;

    let answer = proxy.get("/").must_be_answered().await;

    broken.expect_requests(1);
    spare
        .expect_no_request()
        .usually("the client has the header already: see session.response_written()");
    answer.expect_cut_short();
}

#[tokio::test]
async fn a_body_that_was_not_kept_whole_is_not_sent_in_part() {
    // The first reads the body to its end before it hangs up. Pingora keeps 64 KiB of it.
    let replies = [Reply::close(), Reply::reset()];
    let (broken, spare) = (
        Upstream::script(replies).await,
        Upstream::always(Reply::reset()).await,
    );
    let proxy = start(&[&broken, &spare]).await;

    let upload = proxy.request("PUT", "/file").body(vec![b'x'; 100 << 10]);

    upload.must_be_answered().await.expect_status(502);
    broken.expect_requests(1).usually(NOT_WHOLE);
    spare.expect_no_request().usually(NOT_WHOLE);
}

#[tokio::test]
async fn a_body_of_sixty_kib_is_sent_again_whole() {
    let (broken, spare) = (
        Upstream::always(Reply::close()).await,
        Upstream::echo().await,
    );
    let proxy = start(&[&broken, &spare]).await;
    let body = vec![b'x'; 60 << 10];

    let upload = proxy.request("PUT", "/file").body(body.clone());

    upload.send().await.expect_status(200).usually(ELSEWHERE);
    spare.last_request().expect_body(body);
}

#[tokio::test]
async fn for_a_client_that_has_gone_nothing_is_tried_again() {
    let replies = [Reply::text(200, "late").gate(), Reply::text(200, "after")];
    let slow = Upstream::script(replies).await;
    let spare = Upstream::echo().await;
    let proxy = start(&[&slow, &spare]).await;

    let mut client = proxy.connect().await;
    client
        .send("GET /gone HTTP/1.1\r\nHost: edge.example\r\n\r\n")
        .await;
    slow.wait_for_requests(1).await;
    drop(client);
    eventually("the proxy's line about this request", async || {
        let lines = proxy.log_lines_with("GET /gone");
        lines.iter().any(|line| line.contains(" of 3"))
    })
    .await;

    proxy.get("/after").send().await.expect_body("after");

    slow.expect_requests(2).usually(GONE);
    spare.expect_no_request().usually(GONE);
}

#[tokio::test]
async fn no_upstream_is_tried_twice() {
    let (first, second) = (
        Upstream::always(Reply::reset()).await,
        Upstream::always(Reply::reset()).await,
    );
    let proxy = start(&[&first, &second]).await;

    proxy.get("/").send().await.expect_status(502);

    first.expect_requests(1).usually(ELSEWHERE);
    second.expect_requests(1).usually(ELSEWHERE);
}

#[tokio::test]
async fn three_tries_are_three_in_all() {
    let mut upstreams = Vec::new();
    for _ in 0..4 {
        upstreams.push(Upstream::always(Reply::reset()).await);
    }
    let proxy = Proxy::of(EXERCISE)
        .env("TRIES", "3")
        .env("RETRY_FLOOR", "1000")
        .in_front_of_all(&upstreams)
        .await;

    proxy.get("/").send().await.expect_status(502);

    let seen: Vec<_> = upstreams.iter().map(|it| it.requests().len()).collect();
    expect(
        seen == [1, 1, 1, 0],
        format!("one try each at the first three upstreams, but they saw {seen:?}"),
    )
    .usually("max_retries is the number of tries, the first included (pingora-proxy, lib.rs)");
}

#[tokio::test]
async fn refused_connections_count_as_tries_too() {
    let (first, second) = (Upstream::refusing().await, Upstream::refusing().await);
    let (third, fourth) = (
        Upstream::always(Reply::reset()).await,
        Upstream::echo().await,
    );
    let proxy = start(&[&first, &second, &third, &fourth]).await;

    proxy.get("/").send().await.expect_status(502);

    third.expect_requests(1).usually(ELSEWHERE);
    fourth.expect_no_request();
}

#[tokio::test]
async fn retries_are_a_share_of_the_requests_not_of_the_tries() {
    let (broken, spare) = (
        Upstream::always(Reply::reset()).await,
        Upstream::echo().await,
    );
    let proxy = Proxy::of(EXERCISE)
        .env("RETRY_PERCENT", "50")
        .env("RETRY_FLOOR", "0")
        .in_front_of_all([&broken, &spare])
        .await;

    for _ in 0..20 {
        proxy.get("/").send().await;
    }

    // Each second request earns a retry. Who counts a request at its end has one less.
    let retries = spare.requests().len();
    expect(
        (9..=10).contains(&retries),
        format!("10 retries for 20 requests, but the other upstream saw {retries}"),
    )
    .usually(STORM);
    broken.expect_requests(20);
}

#[tokio::test]
async fn a_storm_of_retries_is_bounded() {
    for broken in [
        Upstream::refusing().await,
        Upstream::always(Reply::reset()).await,
    ] {
        let spare = Upstream::echo().await;
        let proxy = Proxy::of(EXERCISE)
            .env("RETRY_PERCENT", "0")
            .env("RETRY_FLOOR", "5")
            .in_front_of_all([&broken, &spare])
            .await;

        let requests: Vec<_> = (0..40)
            .map(|_| tokio::spawn(proxy.get("/").send()))
            .collect();
        for request in requests {
            request.await.unwrap();
        }

        spare.expect_requests(5).usually(STORM);
    }
}

#[tokio::test]
async fn a_retry_that_is_not_made_costs_nothing() {
    let (first, second) = (
        Upstream::always(Reply::reset()).await,
        Upstream::always(Reply::reset()).await,
    );
    let third = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE)
        .env("TRIES", "2")
        .env("RETRY_PERCENT", "0")
        .env("RETRY_FLOOR", "4")
        .in_front_of_all([&first, &second, &third])
        .await;

    for _ in 0..10 {
        proxy.get("/").send().await.expect_status(502);
    }

    first.expect_requests(10);
    second
        .expect_requests(4)
        .usually("take from the budget last, when nothing else speaks against another try");
}

mod given {
    use super::*;

    #[tokio::test]
    async fn while_the_first_upstream_answers_no_other_is_asked() {
        let (first, second) = (Upstream::echo().await, Upstream::echo().await);
        let proxy = start(&[&first, &second]).await;

        for _ in 0..3 {
            proxy.get("/").send().await.expect_status(200);
        }

        second.expect_no_request();
    }

    #[tokio::test]
    async fn an_answer_is_an_answer_also_503() {
        let (busy, spare) = (
            Upstream::always(Reply::text(503, "busy")).await,
            Upstream::echo().await,
        );
        let proxy = start(&[&busy, &spare]).await;

        proxy.get("/").send().await.expect_status(503);

        spare.expect_no_request();
    }

    #[tokio::test]
    async fn a_number_that_is_none_is_refused() {
        let ended = Proxy::of(EXERCISE).env("TRIES", "0").run_to_end().await;

        ended.expect_code(2);
        ended.expect_stderr_contains("TRIES");
    }
}
