//! 6.8 A part of what is stored is a part of one and the same thing (RFC 9110, section 14), and the store has a limit.

use lab::{Proxy, Reply, Response, Upstream, expect};

const EXERCISE: &str = "6-8";

const STRONG: &str = "If-Range compares strongly: a weak tag says that two answers are as good as each other, not that their bytes fit together (RFC 9110, section 13.1.5)";
const NOTHING: &str = "of a body, -0 asks for no bytes, which no answer can have (RFC 9110, section 14.1.2); Pingora's own filter does not see it";
const ONLY_GET: &str = "Range means something for GET only (RFC 9110, section 14.2)";
const PART: &str = "206 is an answer about a part: stored as it is, it is what all others get instead of the whole";
const LIMIT: &str = "the store takes a limit in bytes: CACHE_BYTES, as it is";

const CHANGED: &str = "Mon, 02 Feb 2026 10:00:00 GMT";

type Headers<'a> = &'a [(&'a str, &'a str)];

fn ten_bytes() -> Reply {
    Reply::text(200, "0123456789").header("cache-control", "max-age=60")
}

async fn ask(proxy: &Proxy, headers: Headers<'_>) -> Response {
    let get = proxy.get("/file");
    headers
        .iter()
        .fold(get, |get, (name, value)| get.header(*name, *value))
        .send()
        .await
}

/// A proxy that has stored ten bytes with these headers.
async fn stored(headers: Headers<'_>) -> (Upstream, Proxy) {
    let reply = headers.iter().fold(ten_bytes(), |reply, (name, value)| {
        reply.header(*name, *value)
    });
    let upstream = Upstream::always(reply).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    proxy.get("/file").send().await.expect_body("0123456789");
    (upstream, proxy)
}

fn expect_whole(answer: &Response, usually: &str) {
    answer.expect_status(200).usually(usually);
    answer.expect_body("0123456789");
    answer.expect_no_header("content-range");
}

fn expect_part(answer: &Response, range: &str, body: &str) {
    answer.expect_status(206);
    answer.expect_header("content-range", range);
    answer.expect_header("content-length", body.len().to_string());
    answer.expect_body(body);
}

#[tokio::test]
async fn a_weak_tag_is_no_ground_for_a_part() {
    let (_upstream, proxy) = stored(&[("etag", "W/\"1\"")]).await;

    let range = [("range", "bytes=0-3"), ("if-range", "W/\"1\"")];
    expect_whole(&ask(&proxy, &range).await, STRONG);
}

#[tokio::test]
async fn the_last_no_bytes_are_416() {
    let (_upstream, proxy) = stored(&[]).await;

    let answer = ask(&proxy, &[("range", "bytes=-0")]).await;
    answer.expect_status(416).usually(NOTHING);
    answer.expect_header("content-range", "bytes */10");
    answer.expect_body("");
}

#[tokio::test]
async fn a_range_of_an_empty_body_is_answered() {
    let empty = Reply::text(200, "").header("cache-control", "max-age=60");
    let upstream = Upstream::always(empty).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    for range in ["bytes=-5", "bytes=0-3"] {
        for _ in 0..2 {
            let answer = ask(&proxy, &[("range", range)]).await;
            expect(
                [200, 416].contains(&answer.status),
                format!(
                    "200 or 416 for {range} of nothing, but it is {}",
                    answer.status
                ),
            )
            .usually("Pingora's own filter subtracts one from a length of zero");
            answer.expect_body("");
        }
    }
}

#[tokio::test]
async fn only_get_has_ranges() {
    let (upstream, proxy) = stored(&[]).await;

    let head = proxy
        .head("/file")
        .header("range", "bytes=0-3")
        .send()
        .await;
    head.expect_status(200).usually(ONLY_GET);
    head.expect_header("content-length", "10");
    upstream.expect_requests(1);
}

#[tokio::test]
async fn a_part_is_not_stored_as_the_whole() {
    // An upstream that sends parts although nobody asked it for them. Several parts name their ranges in the body.
    for part in [
        ("content-range", "bytes 0-3/10"),
        ("content-type", "multipart/byteranges; boundary=x"),
    ] {
        let reply = Reply::text(206, "0123")
            .header("cache-control", "max-age=60")
            .header(part.0, part.1);
        let upstream = Upstream::script([reply, ten_bytes()]).await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

        ask(&proxy, &[("range", "bytes=0-3")]).await;

        expect_whole(&ask(&proxy, &[]).await, PART);
        upstream.expect_requests(2);
    }
}

#[tokio::test]
async fn the_store_never_holds_more_than_its_limit() {
    let limit = 1 << 20;
    let file = Reply::text(200, vec![b'x'; 50_000]).header("cache-control", "max-age=60");
    let upstream = Upstream::always(file).await;
    let proxy = Proxy::of(EXERCISE)
        .env("CACHE_BYTES", limit)
        .in_front_of(&upstream)
        .await;
    let status = proxy.port("ADMIN");

    for n in 0..40 {
        proxy
            .get(format!("/file/{n}"))
            .send()
            .await
            .expect_status(200);
        let bytes = status.get("/status").send().await.json()["bytes"].as_u64();
        expect(
            bytes.is_some_and(|bytes| bytes <= limit),
            format!("at most {limit} bytes in the store, but after {n} files there are {bytes:?}"),
        )
        .usually(LIMIT);
    }
    // What was used last is still there, what was used first has made room.
    proxy.get("/file/39").send().await.expect_status(200);
    upstream.expect_requests(40);
    proxy.get("/file/0").send().await.expect_status(200);
    upstream.expect_requests(41);
}

mod given {
    use super::*;

    #[tokio::test]
    async fn a_part_comes_from_the_stored_whole() {
        let (upstream, proxy) = stored(&[]).await;

        for (range, content_range, body) in [
            ("bytes=0-3", "bytes 0-3/10", "0123"),
            ("bytes=4-4", "bytes 4-4/10", "4"),
            ("BYTES=8-", "bytes 8-9/10", "89"),
            ("bytes=8-99", "bytes 8-9/10", "89"),
            ("bytes=-3", "bytes 7-9/10", "789"),
            ("bytes=-99", "bytes 0-9/10", "0123456789"),
        ] {
            expect_part(&ask(&proxy, &[("range", range)]).await, content_range, body);
        }
        upstream.expect_requests(1);
    }

    #[tokio::test]
    async fn what_lies_behind_the_end_is_416() {
        let (upstream, proxy) = stored(&[]).await;

        for range in ["bytes=10-", "bytes=10-12", "bytes=99-100"] {
            let answer = ask(&proxy, &[("range", range)]).await;
            answer.expect_status(416);
            answer.expect_header("content-range", "bytes */10");
        }
        upstream.expect_requests(1);
    }

    #[tokio::test]
    async fn what_is_no_range_is_ignored() {
        let (_upstream, proxy) = stored(&[]).await;

        for range in ["bytes", "bytes=a-b", "lines=0-3", "bytes 0-3"] {
            expect_whole(
                &ask(&proxy, &[("range", range)]).await,
                "a Range that cannot be read is ignored",
            );
        }
    }

    #[tokio::test]
    async fn several_ranges_are_the_whole_or_several_parts() {
        let (_upstream, proxy) = stored(&[]).await;

        let answer = ask(&proxy, &[("range", "bytes=0-1,4-5")]).await;
        if answer.status == 206 {
            answer.expect_header_where("content-type", "multipart/byteranges", |it| {
                it.starts_with("multipart/byteranges")
            });
            for part in ["bytes 0-1/10", "bytes 4-5/10"] {
                answer.expect_body_contains(part);
            }
        } else {
            expect_whole(&answer, "several ranges may be answered with the whole");
        }
    }

    #[tokio::test]
    async fn a_part_fits_what_the_client_has_or_is_not_sent() {
        let date = ("date", "Tue, 03 Feb 2026 10:00:00 GMT");
        let (_upstream, proxy) =
            stored(&[("etag", "\"1\""), ("last-modified", CHANGED), date]).await;

        for fits in ["\"1\"", CHANGED] {
            let answer = ask(&proxy, &[("range", "bytes=0-3"), ("if-range", fits)]).await;
            expect_part(&answer, "bytes 0-3/10", "0123");
        }
        for other in [
            "\"2\"",
            "W/\"1\"",
            "Sun, 01 Feb 2026 10:00:00 GMT",
            "Tue, 03 Feb 2026 10:00:00 GMT",
        ] {
            for range in ["bytes=0-3", "bytes=-0"] {
                let answer = ask(&proxy, &[("range", range), ("if-range", other)]).await;
                expect_whole(&answer, STRONG);
            }
        }
    }

    #[tokio::test]
    async fn a_part_is_cut_out_of_what_is_being_fetched() {
        let upstream = Upstream::always(ten_bytes()).await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

        let first = ask(&proxy, &[("range", "bytes=2-4")]).await;
        expect_part(&first, "bytes 2-4/10", "234");
        upstream.last_request().expect_no_header("range");
        expect_whole(&ask(&proxy, &[]).await, PART);
        upstream.expect_requests(1);
    }

    #[tokio::test]
    async fn half_an_answer_is_not_stored() {
        let half = Reply::truncated(10, "01234").header("cache-control", "max-age=60");
        let upstream = Upstream::script([half, ten_bytes()]).await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

        ask(&proxy, &[]).await;
        expect_whole(&ask(&proxy, &[]).await, PART);
    }

    #[tokio::test]
    async fn the_status_tells_what_is_stored() {
        let (_upstream, proxy) = stored(&[]).await;
        let status = proxy.port("ADMIN").get("/status").send().await;

        status.expect_json("/limit", 64 << 20);
        let bytes = status.json()["bytes"].as_u64();
        expect(
            bytes > Some(10),
            format!("more than ten bytes are stored, not {bytes:?}"),
        );
    }

    #[tokio::test]
    async fn a_limit_that_is_no_number_is_refused() {
        let ended = Proxy::of(EXERCISE)
            .env("CACHE_BYTES", "much")
            .run_to_end()
            .await;

        ended.expect_code(2);
        ended.expect_stderr_contains("CACHE_BYTES");
    }
}
