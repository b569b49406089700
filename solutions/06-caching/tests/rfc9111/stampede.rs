//! Many at once: one request upstream, and an honest answer to all (RFC 9211, section 2.6: collapsed).

use super::*;

use tokio::task::JoinSet;

/// So many clients ask for the same at once.
fn crowd(proxy: &Proxy, size: usize) -> JoinSet<Response> {
    (0..size).map(|_| proxy.get("/").send()).collect()
}

/// A demo that says of each request when it is looked up.
async fn telling_demo<const N: usize>(replies: [Reply; N]) -> (Upstream, Proxy) {
    let upstream = Upstream::script(replies).await;
    let proxy =
        Proxy::at_path(&*DEMO, "6-0").env("RUST_LOG", "info,pingora=warn,ch06_caching=debug");
    let proxy = proxy.in_front_of(&upstream).await;
    (upstream, proxy)
}

/// Who comes after the answer would ask for itself (README, Limits).
async fn all_are_looked_up(proxy: &Proxy, count: usize) {
    lab::eventually("the proxy has all requests", async || {
        proxy.log_lines_with("is looked up").len() == count
    })
    .await;
}

#[tokio::test]
async fn fifty_clients_cost_one_request() {
    let (upstream, proxy) = telling_demo([fresh().gate()]).await;
    let crowd = crowd(&proxy, 50);
    upstream.wait_for_requests(1).await;
    all_are_looked_up(&proxy, 50).await;
    upstream.release();
    let answers = crowd.join_all().await;
    for answer in &answers {
        answer.expect_status(200).expect_body("one");
    }
    upstream.expect_requests(1);
    let stored = answers
        .iter()
        .filter(|answer| answer.says("stored"))
        .count();
    proxy.expect(stored == 1, format!("one answer was stored, not {stored}"));
}

#[tokio::test]
async fn who_waited_says_so() {
    let (upstream, proxy) = telling_demo([fresh().gate()]).await;
    let first = tokio::spawn(proxy.get("/").send());
    upstream.wait_for_requests(1).await;
    let second = tokio::spawn(proxy.get("/").send());
    all_are_looked_up(&proxy, 2).await;
    upstream.release();
    first.await.unwrap().expect_status(200);
    let second = second.await.unwrap();
    proxy.expect(
        second.says("collapsed") || second.says("hit"),
        "collapsed, or a hit if it came late",
    );
}

#[tokio::test]
async fn all_read_along_while_it_is_filled() {
    let slow = Reply::pieces(["one ", "two ", "three"]).header("Cache-Control", "max-age=3600");
    let (upstream, proxy) = demo([slow]).await;
    let mut readers = Vec::new();
    for _ in 0..5 {
        let mut reader = proxy.get("/").start().await;
        reader.expect_piece("one ").await;
        readers.push(reader);
    }
    upstream.release();
    for reader in &mut readers {
        reader.expect_piece("two ").await;
    }
    upstream.release();
    for reader in readers {
        reader.finish().await.expect_body("one two three");
    }
    upstream.expect_requests(1);
}

#[tokio::test]
async fn a_client_that_leaves_does_not_stop_the_others() {
    let slow = Reply::pieces(["one ", "two"]).header("Cache-Control", "max-age=3600");
    let (upstream, proxy) = demo([slow]).await;
    let mut first = proxy.get("/").start().await;
    first.expect_piece("one ").await;
    let mut second = proxy.get("/").start().await;
    second.expect_piece("one ").await;
    drop(first);
    upstream.release();
    second.finish().await.expect_body("one two");
    proxy.get("/").send().await.expect_body("one two");
    upstream.expect_requests(1);
}

#[tokio::test]
async fn a_fill_that_breaks_off_is_cut_for_all_and_stored_for_nobody() {
    let head = "HTTP/1.1 200 OK\r\nCache-Control: max-age=3600\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    let (upstream, proxy) = demo([Reply::raw(head), fresh()]).await;
    let mut readers = Vec::new();
    for _ in 0..3 {
        let mut reader = proxy.get("/").start().await;
        reader.expect_piece("hello").await;
        readers.push(reader);
    }
    upstream.refuse().await;
    for reader in readers {
        reader.finish().await.expect_cut_short();
    }
    upstream.accept().await;
    proxy.get("/").send().await.expect_body("one");
}

#[tokio::test]
async fn what_is_not_stored_is_shared_by_nobody() {
    let private = reply(&[("Cache-Control", "private")]).gate();
    let (upstream, proxy) = demo([private, reply(&[("Cache-Control", "private")])]).await;
    let crowd = crowd(&proxy, 10);
    upstream.wait_for_requests(1).await;
    upstream.release();
    for answer in crowd.join_all().await {
        answer.expect_status(200);
    }
    upstream.expect_requests(10);
}

#[tokio::test]
async fn all_who_wait_for_what_fails_are_told() {
    let (_upstream, proxy) = demo([Reply::close()]).await;
    for answer in crowd(&proxy, 10).join_all().await {
        answer.expect_status(502);
    }
}

#[tokio::test]
async fn many_validations_are_one() {
    let again = Reply::status(304).header("Cache-Control", "max-age=3600");
    let (upstream, proxy) = demo([stale(""), again.clone().gate(), again]).await;
    proxy.get("/").send().await;
    let crowd = crowd(&proxy, 20);
    upstream.wait_for_requests(2).await;
    upstream.release();
    for answer in crowd.join_all().await {
        answer.expect_status(200).expect_body("one");
    }
    // Who has looked before the update and locks after it asks once more: see the README's limits.
    let validations = upstream.requests().len() - 1;
    proxy.expect(
        validations <= 2,
        format!("1 validation for 20 clients, not {validations}"),
    );
}

#[tokio::test]
async fn a_response_larger_than_the_store_is_passed_on_whole() {
    let body = vec![b'x'; 20 << 20];
    for large in [
        Reply::text(200, body.clone()),
        Reply::text(200, body.clone()).chunked(),
    ] {
        let upstream = Upstream::always(large.header("Cache-Control", "max-age=3600")).await;
        let demo = Proxy::at_path(&*DEMO, "6-0").env("CACHE_BYTES", 16 << 20);
        let proxy = demo.in_front_of(&upstream).await;
        for _ in 0..3 {
            proxy
                .get("/")
                .send()
                .await
                .expect_status(200)
                .expect_body(&body);
        }
        upstream.expect_requests(3);
    }
}

#[tokio::test]
async fn without_memory_nothing_is_stored() {
    let upstream = Upstream::always(fresh()).await;
    let proxy = Proxy::at_path(&*DEMO, "6-0")
        .env("CACHE_BYTES", 0)
        .in_front_of(&upstream)
        .await;
    for _ in 0..2 {
        proxy.get("/").send().await.expect_body("one");
    }
    upstream.expect_requests(2);
}
