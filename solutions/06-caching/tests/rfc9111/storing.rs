//! RFC 9111, section 3: storing responses in caches.

use super::*;

#[tokio::test]
async fn a_fresh_get_is_stored_and_used_again() {
    let (upstream, proxy) = demo([fresh()]).await;
    proxy.get("/").send().await.expect_body("one");
    proxy
        .get("/")
        .send()
        .await
        .expect_status(200)
        .expect_body("one");
    upstream.expect_requests(1);
}

#[tokio::test]
async fn a_response_to_another_method_is_not_stored() {
    let (upstream, proxy) = demo([fresh()]).await;
    let methods = [
        "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "QUERY",
    ];
    for (at, method) in methods.iter().enumerate() {
        let path = format!("/{method}");
        proxy.request(*method, &path).send().await;
        proxy.request(*method, &path).send().await;
        proxy.get(&path).send().await;
        upstream.expect_requests(3 * (at + 1));
    }
}

#[tokio::test]
async fn a_get_with_content_is_passed_on() {
    let (upstream, proxy) = demo([fresh()]).await;
    proxy
        .get("/")
        .body("which")
        .header("Content-Type", "text/plain")
        .send()
        .await;
    upstream.last_request().expect_body("which");
    proxy.get("/").send().await;
    upstream.expect_requests(2);
}

#[tokio::test]
async fn statuses_are_stored_with_explicit_freshness() {
    // 299, 418, 499 and 599 have no registered meaning here: the response says enough.
    let statuses = [
        200, 201, 203, 204, 299, 300, 301, 302, 303, 307, 308, 400, 403, 404, 405, 410, 414, 418,
        451, 499, 500, 501, 502, 503, 504, 599,
    ];
    let explicit = [("Cache-Control", "max-age=3600")];
    expect_rows(statuses.map(|status| row(status, &explicit, true))).await;
}

#[tokio::test]
async fn a_part_is_not_stored() {
    let part = [
        ("Content-Range", "bytes 0-2/9"),
        ("Cache-Control", "max-age=3600"),
    ];
    expect_reused(206, &[(&part, false)]).await;
}

#[tokio::test]
async fn no_store_is_not_stored() {
    let cc = |value| [("Cache-Control", value)];
    expect_reused(
        200,
        &[
            (&cc("no-store"), false),
            (&cc("max-age=3600, no-store"), false),
            (&cc("NO-STORE, max-age=3600"), false),
            (&cc("public, no-store, s-maxage=3600"), false),
            (&cc("max-age=3600, no-store=\"x\""), false),
            (&cc("max-age=3600, x=\"no-store\""), true),
            (
                &[
                    ("Cache-Control", "max-age=3600"),
                    ("Cache-Control", "no-store"),
                ],
                false,
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn private_is_not_stored() {
    let cc = |value| [("Cache-Control", value)];
    expect_reused(
        200,
        &[
            (&cc("private, max-age=3600"), false),
            (&cc("Private, max-age=3600"), false),
            (&cc("private=\"\", max-age=3600"), false),
            (&cc("private=\"x, max-age=3600"), false),
            (&cc("private=\"x\", private, max-age=3600"), false),
            (&cc("s-maxage=3600, private"), false),
        ],
    )
    .await;
}

#[tokio::test]
async fn fields_that_are_private_go_to_the_first_client_only() {
    let directives = [
        "private=\"x-mine, X-Too\"",
        "no-cache=\"x-mine, X-Too\"",
        "private=x-mine, no-cache=x-too",
    ];
    let replies = directives.map(|directive| {
        let directives = format!("max-age=3600, {directive}");
        reply(&[
            ("Cache-Control", directives.as_str()),
            ("X-Mine", "1"),
            ("X-Too", "2"),
            ("X-All", "3"),
        ])
    });
    let (upstream, proxy) = demo(replies).await;
    for at in 0..directives.len() {
        let path = format!("/{at}");
        proxy
            .get(&path)
            .send()
            .await
            .expect_header("x-mine", "1")
            .expect_header("x-too", "2");
        let second = proxy.get(&path).send().await;
        second
            .expect_no_header("x-mine")
            .expect_no_header("x-too")
            .expect_header("x-all", "3");
        upstream.expect_requests(at + 1);
    }
}

#[tokio::test]
async fn must_understand_is_for_who_understands_the_status() {
    let row = |value| [("Cache-Control", value)];
    expect_reused(
        200,
        &[(&row("must-understand, no-store, max-age=3600"), true)],
    )
    .await;
    expect_reused(200, &[(&row("must-understand, max-age=3600"), true)]).await;
    expect_reused(
        599,
        &[(&row("must-understand, no-store, max-age=3600"), false)],
    )
    .await;
    expect_reused(599, &[(&row("must-understand, max-age=3600"), false)]).await;
}

#[tokio::test]
async fn directives_that_nobody_knows_are_passed_over() {
    let cc = |value| [("Cache-Control", value)];
    expect_reused(
        200,
        &[
            (&cc("x-foo, max-age=3600"), true),
            (&cc("max-age=3600, x-foo=\"a, b\""), true),
            (&cc("community=\"UCI\", max-age=3600"), true),
            (&cc(", ,max-age=3600,"), true),
        ],
    )
    .await;
}

#[tokio::test]
async fn what_was_asked_for_with_authorization_needs_permission() {
    let rows = [
        ("max-age=3600", false),
        ("max-age=3600, public", true),
        ("s-maxage=3600", true),
        ("max-age=3600, must-revalidate", true),
        ("max-age=3600, proxy-revalidate", false),
        ("max-age=3600, immutable", false),
        ("private, s-maxage=3600", false),
    ];
    let replies = rows.iter().flat_map(|(directives, stored)| {
        let first = reply(&[("Cache-Control", directives)]);
        let again = (!stored).then(|| Reply::text(200, "two"));
        std::iter::once(first).chain(again)
    });
    let (upstream, proxy) = demo(replies).await;
    let mut expected = 0;
    for (at, (_, stored)) in rows.iter().enumerate() {
        let path = format!("/{at}");
        let first = proxy.get(&path).header("Authorization", "Basic dTpw");
        first.send().await.expect_body("one");
        proxy.get(&path).send().await;
        expected += if *stored { 1 } else { 2 };
        upstream.expect_requests(expected);
    }
}

#[tokio::test]
async fn what_is_stored_for_everybody_is_used_for_who_authorizes() {
    let (upstream, proxy) = demo([fresh()]).await;
    proxy.get("/").send().await;
    proxy
        .get("/")
        .header("Authorization", "Basic dTpw")
        .send()
        .await
        .expect_body("one");
    upstream.expect_requests(1);
}

#[tokio::test]
async fn a_cookie_is_never_stored() {
    let row = |value| [("Cache-Control", value), ("Set-Cookie", "id=1")];
    expect_reused(
        200,
        &[
            (&row("max-age=3600"), false),
            (&row("public, max-age=3600"), false),
            (&row("s-maxage=3600"), false),
            (&row("max-age=3600, private=\"set-cookie\""), true),
            (&row("max-age=3600, no-cache=\"Set-Cookie\""), true),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_cookie_goes_to_the_client_it_is_for() {
    let first = [
        ("Cache-Control", "max-age=3600, no-cache=\"set-cookie\""),
        ("Set-Cookie", "id=1"),
    ];
    let (_upstream, proxy) = demo([reply(&first)]).await;
    proxy
        .get("/")
        .send()
        .await
        .expect_header("set-cookie", "id=1");
    proxy.get("/").send().await.expect_no_header("set-cookie");
}

#[tokio::test]
async fn a_request_with_a_cookie_is_answered_from_the_store() {
    let (upstream, proxy) = demo([fresh()]).await;
    proxy.get("/").header("Cookie", "id=1").send().await;
    proxy
        .get("/")
        .header("Cookie", "id=2")
        .send()
        .await
        .expect_body("one");
    upstream.expect_requests(1);
}

#[tokio::test]
async fn hop_by_hop_fields_are_not_stored() {
    let hops = [
        ("Keep-Alive", "timeout=9"),
        ("Proxy-Connection", "keep-alive"),
        ("Proxy-Authenticate", "Basic"),
        ("Proxy-Authentication-Info", "x"),
        ("Proxy-Authorization", "x"),
        ("TE", "trailers"),
        ("Trailer", "x-t"),
        ("Upgrade", "h2c"),
    ];
    let first = with(fresh(), &hops);
    let (upstream, proxy) = demo([first]).await;
    proxy.get("/").send().await;
    let second = proxy.get("/").send().await;
    upstream.expect_requests(1);
    for (name, _) in hops {
        second.expect_no_header(name);
    }
}

#[tokio::test]
async fn fields_that_connection_names_end_here() {
    let named = [
        ("Connection", "x-hop, X-Other"),
        ("X-Hop", "1"),
        ("X-Other", "2"),
        ("X-End", "3"),
    ];
    let (upstream, proxy) = demo([with(fresh(), &named)]).await;
    for _ in 0..2 {
        let answer = proxy.get("/").send().await;
        answer
            .expect_no_header("x-hop")
            .expect_no_header("x-other")
            .expect_header("x-end", "3");
    }
    upstream.expect_requests(1);
}

#[tokio::test]
async fn connection_takes_no_field_away_that_is_for_all() {
    let hour = ("Cache-Control", "max-age=3600");
    let far = ("Expires", "Fri, 01 Jan 2038 00:00:00 GMT");
    let named = ("Connection", "cache-control, cdn-cache-control, Vary, age");
    expect_reused(
        200,
        &[
            (&[named, far, ("Cache-Control", "no-store")], false),
            (&[named, hour, ("CDN-Cache-Control", "no-store")], false),
            (&[named, hour, ("Vary", "*")], false),
            (&[named, hour, ("Age", "7200")], false),
            (&[named, hour], true),
        ],
    )
    .await;
}

#[tokio::test]
async fn all_other_fields_are_stored_as_they_came() {
    let fields = [
        ("X-Test", "a"),
        ("Content-Foo", "b"),
        ("Content-Type", "text/css"),
        ("Content-Language", "de"),
        ("Content-Encoding", "br"),
        ("Content-Location", "/x"),
        ("Content-MD5", "rL0Y20zC+Fzt72VPzMSk2A=="),
        ("Content-Security-Policy", "default-src 'self'"),
        ("Clear-Site-Data", "cookies"),
        ("ETag", "\"1\""),
        ("Expires", "Fri, 01 Jan 2038 00:00:00 GMT"),
        ("Last-Modified", "Tue, 01 Jan 2019 00:00:00 GMT"),
        ("Strict-Transport-Security", "max-age=9"),
        ("Link", "</a>; rel=x"),
        ("X-Frame-Options", "deny"),
        ("Server", "origin"),
        ("Access-Control-Allow-Origin", "*"),
    ];
    let (_upstream, proxy) = demo([with(fresh(), &fields)]).await;
    proxy.get("/").send().await;
    let second = proxy.get("/").send().await;
    for (name, value) in fields {
        second.expect_header(name, value);
    }
}

#[tokio::test]
async fn several_lines_of_a_field_stay() {
    let lines = [("X-Line", "a"), ("X-Line", "b"), ("X-Line", "a")];
    let (_upstream, proxy) = demo([with(fresh(), &lines)]).await;
    proxy.get("/").send().await;
    proxy
        .get("/")
        .send()
        .await
        .expect_list("x-line", ["a", "b", "a"]);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_not_stored() {
    let broken = with(
        Reply::truncated(9, "half"),
        &[("Cache-Control", "max-age=3600")],
    );
    let (upstream, proxy) = demo([broken, fresh()]).await;
    let first = proxy.get("/").send().await;
    // Cut, or refused if it broke before anything was sent on.
    let whole = first.complete && first.status == 200;
    proxy.expect(!whole, "the client is told that the answer is not whole");
    proxy.get("/").send().await.expect_body("one");
    upstream.expect_requests(2);
}

#[tokio::test]
async fn a_chunked_body_that_breaks_off_is_not_stored() {
    let head =
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=3600\r\nTransfer-Encoding: chunked\r\n\r\n";
    let broken = Reply::raw(format!("{head}4\r\nhalf\r\n")).then_close();
    let (upstream, proxy) = demo([broken, fresh()]).await;
    let first = proxy.get("/").send().await;
    let whole = first.complete && first.status == 200;
    proxy.expect(!whole, "the client is told that the answer is not whole");
    proxy.get("/").send().await.expect_body("one");
    upstream.expect_requests(2);
}

#[tokio::test]
async fn chunked_and_empty_bodies_are_stored() {
    let cc = [("Cache-Control", "max-age=3600")];
    let replies = [
        Reply::text(200, "chunks").chunked(),
        Reply::text(200, ""),
        Reply::status(204),
        Reply::text(404, "none"),
    ];
    let (upstream, proxy) = demo(replies.map(|reply| with(reply, &cc))).await;
    for (at, body) in ["chunks", "", "", "none"].into_iter().enumerate() {
        let path = format!("/{at}");
        proxy.get(&path).send().await.expect_body(body);
        proxy.get(&path).send().await.expect_body(body);
        upstream.expect_requests(at + 1);
    }
}

#[tokio::test]
async fn a_date_is_added_where_there_is_none() {
    let (_upstream, proxy) = demo([fresh()]).await;
    for _ in 0..2 {
        let answer = proxy.get("/").send().await;
        answer.expect_header_where("date", "a date", |it| httpdate::parse_http_date(it).is_ok());
    }
}

#[tokio::test]
async fn interim_responses_pass_and_are_not_stored() {
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nCache-Control: no-store\r\n\r\n";
    let last = "HTTP/1.1 200 OK\r\nCache-Control: max-age=3600\r\nContent-Length: 3\r\n\r\none";
    let (upstream, proxy) = demo([Reply::raw(format!("{interim}{last}"))]).await;
    let first = proxy.get("/").send().await;
    lab::expect(first.informational == [103], "the 103 comes through");
    first.expect_body("one");
    let second = proxy.get("/").send().await;
    lab::expect(second.informational.is_empty(), "the 103 is not repeated");
    second.expect_body("one").expect_no_header("link");
    upstream.expect_requests(1);
}

#[tokio::test]
async fn an_upgrade_is_passed_on() {
    let (upstream, proxy) = demo([fresh()]).await;
    let upgrade = proxy
        .get("/")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket");
    upgrade.send().await;
    proxy.get("/").send().await;
    upstream.expect_requests(2);
}

#[tokio::test]
async fn the_date_stays_the_origins() {
    let made = date(-1000);
    for directives in ["max-age=3600", "no-store"] {
        let first = reply(&[
            ("Cache-Control", directives),
            ("Date", &made),
            ("X-Bytes", "caf\u{e9}"),
        ]);
        let (_upstream, proxy) = demo([first]).await;
        for _ in 0..2 {
            let answer = proxy.get("/").send().await;
            answer.expect_header("date", &made).expect_body("one");
            let leaked = answer
                .headers
                .iter()
                .any(|(name, _)| name.starts_with("x-date"));
            proxy.expect(!leaked, "no field of the proxy's own");
        }
    }
}
