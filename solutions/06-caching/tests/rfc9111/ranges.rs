//! RFC 9110, section 14, and RFC 9111, section 3.3: ranges from a stored whole.

use super::*;

const LM: &str = "Tue, 01 Jan 2019 00:00:00 GMT";
const DIGITS: &str = "0123456789";

fn digits(headers: &[(&str, &str)]) -> Reply {
    let cc = [("Cache-Control", "max-age=3600")];
    with(with(Reply::text(200, DIGITS), &cc), headers)
}

/// The demo with ten bytes stored.
async fn stored(headers: &[(&str, &str)]) -> (Upstream, Proxy) {
    let (upstream, proxy) = demo([digits(headers)]).await;
    proxy.get("/").send().await.expect_body(DIGITS);
    (upstream, proxy)
}

#[tokio::test]
async fn one_range_is_206() {
    let (upstream, proxy) = stored(&[]).await;
    for (range, content, body) in [
        ("bytes=0-3", "bytes 0-3/10", "0123"),
        ("bytes=4-4", "bytes 4-4/10", "4"),
        ("bytes=7-", "bytes 7-9/10", "789"),
        ("bytes=-2", "bytes 8-9/10", "89"),
        ("bytes=5-99", "bytes 5-9/10", "56789"),
        ("bytes=-99", "bytes 0-9/10", DIGITS),
        ("BYTES=1-2", "bytes 1-2/10", "12"),
        ("bytes=-99999999999999999999", "bytes 0-9/10", DIGITS),
        ("bytes=5-99999999999999999999", "bytes 5-9/10", "56789"),
    ] {
        let answer = proxy.get("/").header("Range", range).send().await;
        answer
            .expect_status(206)
            .expect_header("content-range", content)
            .expect_body(body);
    }
    upstream.expect_requests(1);
}

#[tokio::test]
async fn a_range_beyond_the_end_is_416() {
    let (upstream, proxy) = stored(&[]).await;
    for range in [
        "bytes=10-",
        "bytes=10-12",
        "bytes=20-30, 40-50",
        "bytes=-0",
        "bytes=-0, -0",
        "bytes=99999999999999999999-",
        "bytes=99999999999999999999-5",
    ] {
        let answer = proxy.get("/").header("Range", range).send().await;
        answer
            .expect_status(416)
            .expect_header("content-range", "bytes */10");
    }
    proxy
        .get("/")
        .send()
        .await
        .expect_status(200)
        .expect_body(DIGITS);
    upstream.expect_requests(1);
}

#[tokio::test]
async fn a_range_that_is_none_is_passed_over() {
    let (_upstream, proxy) = stored(&[]).await;
    for range in ["lines=0-3", "bytes 0-3", "bytes=a-b", "x"] {
        proxy
            .get("/")
            .header("Range", range)
            .send()
            .await
            .expect_status(200)
            .expect_body(DIGITS);
    }
}

#[tokio::test]
async fn a_range_of_nothing_or_of_an_unknown_length_is_passed_over() {
    let replies = [Reply::text(200, ""), Reply::text(200, DIGITS).chunked()];
    let cc = [("Cache-Control", "max-age=3600")];
    let (upstream, proxy) = demo(replies.map(|reply| with(reply, &cc))).await;
    for (at, body) in ["", DIGITS].into_iter().enumerate() {
        let path = format!("/{at}");
        proxy.get(&path).send().await;
        for range in ["bytes=0-3", "bytes=-3", "bytes=-0"] {
            let answer = proxy.get(&path).header("Range", range).send().await;
            answer.expect_status(200).expect_body(body);
        }
        upstream.expect_requests(at + 1);
    }
}

#[tokio::test]
async fn several_ranges_are_parts() {
    let (_upstream, proxy) = stored(&[]).await;
    let answer = proxy.get("/").header("Range", "bytes=0-1,5-6").send().await;
    answer
        .expect_status(206)
        .expect_body_contains("\r\n\r\n01\r\n")
        .expect_body_contains("\r\n\r\n56\r\n");
    answer.expect_header_where("content-type", "multipart/byteranges", |it| {
        it.starts_with("multipart/byteranges")
    });
}

#[tokio::test]
async fn only_a_get_has_ranges() {
    let (_upstream, proxy) = stored(&[]).await;
    proxy
        .head("/")
        .header("Range", "bytes=0-3")
        .send()
        .await
        .expect_status(200)
        .expect_header("content-length", "10");
}

#[tokio::test]
async fn if_range_is_compared_strongly() {
    expect_if_range(&[
        (&[("ETag", "\"a\"")], "\"a\"", 206),
        (&[("ETag", "\"a\"")], "\"b\"", 200),
        (&[("ETag", "\"a\"")], "\"a\", \"b\"", 200),
        (&[("ETag", "\"a\"")], "*", 200),
        (&[("ETag", "\"a\"")], "W/\"a\"", 200),
        (&[("ETag", "W/\"a\"")], "W/\"a\"", 200),
        (&[("ETag", "W/\"a\"")], "\"a\"", 200),
    ])
    .await;
}

/// The headers of what is stored, an If-Range, and the status that follows.
type IfRange<'a> = (&'a [(&'a str, &'a str)], &'a str, u16);

/// Stored with these headers, then asked for a part with this If-Range, at an address of its own for each row: the
/// status.
async fn expect_if_range(rows: &[IfRange<'_>]) {
    let (upstream, proxy) = demo(rows.iter().map(|(headers, ..)| digits(headers))).await;
    for (at, (headers, asked, status)) in rows.iter().enumerate() {
        let path = format!("/{at}");
        proxy.get(&path).send().await.expect_body(DIGITS);
        let request = proxy
            .get(&path)
            .header("Range", "bytes=0-3")
            .header("If-Range", *asked);
        let found = request.send().await.status;
        let what = format!("If-Range: {asked} against {headers:?}: {status}, not {found}");
        proxy.expect(found == *status, what);
    }
    upstream.expect_requests(rows.len());
}

#[tokio::test]
async fn if_range_with_a_date_wants_exactly_that_date() {
    let made = "Wed, 01 Jan 2025 00:00:00 GMT";
    let fields = |date| {
        [
            ("Last-Modified", LM),
            ("Date", date),
            ("CDN-Cache-Control", "max-age=2000000000"),
        ]
    };
    expect_if_range(&[
        (&fields(made), LM, 206),
        (&fields(made), "Wed, 01 Jan 2020 00:00:00 GMT", 200),
        (&fields(made), "Mon, 01 Jan 2018 00:00:00 GMT", 200),
        // Changed in the second in which it was sent: it may have changed again.
        (&fields(LM), LM, 200),
    ])
    .await;
}

#[tokio::test]
async fn a_condition_goes_before_a_range() {
    let (_upstream, proxy) = stored(&[("ETag", "\"a\"")]).await;
    let ask = |tag: &str| {
        proxy
            .get("/")
            .header("Range", "bytes=0-3")
            .header("If-None-Match", tag)
            .send()
    };
    ask("\"a\"").await.expect_status(304);
    ask("\"b\"").await.expect_status(206).expect_body("0123");
}

#[tokio::test]
async fn a_range_of_what_is_not_stored_fetches_the_whole() {
    let (upstream, proxy) = demo([digits(&[])]).await;
    let answer = proxy.get("/").header("Range", "bytes=2-4").send().await;
    answer.expect_status(206).expect_body("234");
    upstream.last_request().expect_no_header("range");
    proxy
        .get("/")
        .send()
        .await
        .expect_status(200)
        .expect_body(DIGITS);
    upstream.expect_requests(1);
}

#[tokio::test]
async fn a_range_of_what_may_not_be_stored_is_a_range_all_the_same() {
    let (_upstream, proxy) = demo([with(
        Reply::text(200, DIGITS),
        &[("Cache-Control", "no-store")],
    )])
    .await;
    proxy
        .get("/")
        .header("Range", "bytes=2-4")
        .send()
        .await
        .expect_status(206)
        .expect_body("234");
}

#[tokio::test]
async fn a_range_of_what_is_asked_about_first() {
    let first = with(
        Reply::text(200, DIGITS),
        &[
            ("Cache-Control", "max-age=1"),
            ("Age", "5"),
            ("ETag", "\"a\""),
        ],
    );
    let again = Reply::status(304).header("Cache-Control", "max-age=3600");
    let (_upstream, proxy) = demo([first, again]).await;
    proxy.get("/").send().await;
    proxy
        .get("/")
        .header("Range", "bytes=2-4")
        .send()
        .await
        .expect_status(206)
        .expect_body("234");
}

#[tokio::test]
async fn only_a_200_has_ranges() {
    let (_upstream, proxy) = demo([with(
        Reply::text(404, DIGITS),
        &[("Cache-Control", "max-age=60")],
    )])
    .await;
    proxy.get("/").send().await;
    proxy
        .get("/")
        .header("Range", "bytes=2-4")
        .send()
        .await
        .expect_status(404)
        .expect_body(DIGITS);
}
