//! RFC 9111, section 4.4: invalidation; and PURGE.

use super::*;

/// Stored, then another request is answered so: whether it is still there.
struct Case {
    path: &'static str,
    method: &'static str,
    answer: Reply,
    survives: bool,
}

/// Each on a host of its own.
async fn expect_cases(cases: impl IntoIterator<Item = Case>) {
    let cases = Vec::from_iter(cases);
    let replies = cases.iter().flat_map(|case| {
        let again = (!case.survives).then(|| Reply::text(200, "two"));
        [fresh(), case.answer.clone()].into_iter().chain(again)
    });
    let (upstream, proxy) = demo(replies).await;
    for (at, case) in cases.iter().enumerate() {
        let host = format!("{at}.test");
        let send = |method, path| proxy.request(method, path).header("Host", &host).send();
        let before = upstream.requests().len();
        send("GET", case.path).await;
        send(case.method, "/other/x").await;
        send("GET", case.path).await;
        let found = upstream.requests().len() == before + 2;
        let Case {
            path,
            method,
            answer,
            survives,
        } = case;
        let what = format!("{method} answered with {answer:?}: {path} survives: {survives}");
        proxy.expect(found == *survives, what);
    }
}

fn case(method: &'static str, status: u16, survives: bool) -> Case {
    Case {
        path: "/other/x",
        method,
        answer: Reply::status(status),
        survives,
    }
}

#[tokio::test]
async fn unsafe_and_unknown_methods_invalidate() {
    let methods = ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH", "get", "COPY"];
    expect_cases(methods.map(|method| case(method, 200, false))).await;
}

#[tokio::test]
async fn safe_methods_do_not_invalidate() {
    let (upstream, proxy) = demo([fresh(), Reply::text(200, "x")]).await;
    proxy.get("/").send().await;
    // The HEAD is answered from the store.
    for (method, requests) in [("HEAD", 1), ("OPTIONS", 2), ("TRACE", 3)] {
        proxy.request(method, "/").send().await;
        proxy.get("/").send().await.expect_body("one");
        upstream.expect_requests(requests);
    }
}

#[tokio::test]
async fn what_succeeded_invalidates() {
    expect_cases([200, 201, 204, 299, 302, 303, 399].map(|status| case("POST", status, false)))
        .await;
}

#[tokio::test]
async fn what_failed_does_not_invalidate() {
    expect_cases([400, 404, 409, 500, 503, 599].map(|status| case("POST", status, true))).await;
}

#[tokio::test]
async fn location_and_content_location_are_invalidated() {
    let named = |path, name: &str, reference: &str| Case {
        path,
        method: "POST",
        answer: Reply::status(201).header(name, reference),
        survives: false,
    };
    expect_cases([
        named("/a?b", "Location", "/a?b"),
        named("/other/y", "Location", "y"),
        named("/z", "Content-Location", "../z"),
        named("/q", "Content-Location", "/q#fragment"),
        named("/other/r?http://a/", "Location", "r?http://a/"),
        named("/s://", "Location", "/s://"),
    ])
    .await;
}

#[tokio::test]
async fn a_location_in_full_is_invalidated() {
    let (upstream, proxy) = demo([
        fresh(),
        Reply::status(201).header("Location", "http://EXAMPLE.com/a"),
        fresh(),
    ])
    .await;
    proxy.get("/a").header("Host", "example.com").send().await;
    proxy
        .post("/other")
        .header("Host", "example.com")
        .send()
        .await;
    proxy.get("/a").header("Host", "example.com").send().await;
    upstream.expect_requests(3);
}

#[tokio::test]
async fn a_location_on_another_origin_is_not_invalidated() {
    let references = [
        "http://example.org/a",
        "https://example.com/a",
        "http://example.com:81/a",
        "//example.org/a",
    ];
    let hosts = ["example.com", "example.org", "example.com:81"];
    let stored = hosts.map(|_| fresh());
    let answers = references.map(|reference| Reply::status(201).header("Location", reference));
    let (upstream, proxy) = demo(stored.into_iter().chain(answers)).await;
    for host in hosts {
        proxy.get("/a").header("Host", host).send().await;
    }
    for at in 0..references.len() {
        proxy
            .post("/other")
            .header("Host", "example.com")
            .send()
            .await;
        for host in hosts {
            proxy
                .get("/a")
                .header("Host", host)
                .send()
                .await
                .expect_body("one");
        }
        upstream.expect_requests(hosts.len() + at + 1);
    }
}

#[tokio::test]
async fn all_variants_are_invalidated() {
    let variant = with(fresh(), &[("Vary", "Foo")]);
    let (upstream, proxy) = demo([
        variant.clone(),
        variant.clone(),
        Reply::status(204),
        variant,
    ])
    .await;
    for foo in ["1", "2"] {
        proxy.get("/").header("Foo", foo).send().await;
    }
    proxy.post("/").send().await;
    for foo in ["1", "2"] {
        proxy.get("/").header("Foo", foo).send().await;
    }
    upstream.expect_requests(5);
}

#[tokio::test]
async fn what_is_on_its_way_in_is_invalidated_too() {
    let slow = Reply::pieces(["old ", "answer"]).header("Cache-Control", "max-age=3600");
    let (upstream, proxy) = demo([slow, Reply::status(204), Reply::text(200, "new")]).await;
    let mut old = proxy.get("/").start().await;
    old.expect_piece("old ").await;
    proxy.post("/").send().await.expect_status(204);
    upstream.release();
    old.finish().await.expect_body("old answer");
    proxy.get("/").send().await.expect_body("new");
}

#[tokio::test]
async fn purge_removes_what_is_stored() {
    let (upstream, proxy) = demo([fresh()]).await;
    proxy.request("PURGE", "/").send().await.expect_status(404);
    proxy.get("/").send().await;
    proxy.request("PURGE", "/").send().await.expect_status(200);
    proxy.request("PURGE", "/").send().await.expect_status(404);
    proxy.get("/").send().await;
    upstream.expect_requests(2);
}

#[tokio::test]
async fn purge_removes_all_variants() {
    let (upstream, proxy) = demo([with(fresh(), &[("Vary", "Foo")])]).await;
    for foo in ["1", "2", "3"] {
        proxy.get("/").header("Foo", foo).send().await;
    }
    proxy
        .request("PURGE", "/")
        .header("Foo", "2")
        .send()
        .await
        .expect_status(200);
    for foo in ["1", "2", "3"] {
        proxy.get("/").header("Foo", foo).send().await;
    }
    upstream.expect_requests(6);
}

#[tokio::test]
async fn purge_is_for_those_who_may() {
    let upstream = Upstream::always(fresh()).await;
    let proxy = Proxy::at_path(&*DEMO, "6-0")
        .env("PURGE_FROM", "192.0.2.0/24")
        .in_front_of(&upstream)
        .await;
    proxy.get("/").send().await;
    proxy.request("PURGE", "/").send().await.expect_status(403);
    proxy
        .request("PURGE", "/nothing")
        .send()
        .await
        .expect_status(403);
    proxy.get("/").send().await.expect_body("one");
    upstream.expect_requests(1);
}

#[tokio::test]
async fn purge_while_it_is_validated_does_no_harm() {
    let again = Reply::status(304)
        .header("Cache-Control", "max-age=3600")
        .gate();
    let (upstream, proxy) = demo([stale(""), again, Reply::text(200, "two")]).await;
    proxy.get("/").send().await;
    let waiting = tokio::spawn(proxy.get("/").send());
    upstream.wait_for_requests(2).await;
    proxy.request("PURGE", "/").send().await.expect_status(200);
    upstream.release();
    waiting.await.unwrap().expect_status(200).expect_body("one");
    proxy.expect_log_without("panicked");
    proxy.get("/").send().await.expect_body("two");
    upstream.expect_requests(3);
}

#[tokio::test]
async fn networks_that_are_none_are_refused() {
    let ended = Proxy::at_path(&*DEMO, "6-0")
        .env("PURGE_FROM", "localhost")
        .run_to_end()
        .await;
    ended.expect_code(2);
    ended.expect_stderr_contains("PURGE_FROM");
}
