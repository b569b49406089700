//! 3.7 Compression where the client takes it and where it is worth it, never twice.

use flate2::{read::GzDecoder, write::GzDecoder as GzWriter};
use lab::{Proxy, Reply, Response, Upstream, expect};
use std::io::{Read, Write};

const EXERCISE: &str = "3-7";

const WEIGHTS: &str = "each coding has a weight, 1 unless q says otherwise, and 0 means never (RFC 9110, section 12.4.2)";
const WHOLE: &str = "a range of the body is no range of the compressed body";
const TRICKLE: &str =
    "the module flushes nothing before the end: leave alone what may come drop by drop";
const OTHER_BYTES: &str = "a digest of the bytes is not true of other bytes";

/// Text of so many bytes.
fn text(length: usize) -> String {
    "All work and no play makes a dull proxy.\n"
        .chars()
        .cycle()
        .take(length)
        .collect()
}

fn page() -> Reply {
    Reply::text(200, text(5_000))
}

/// What a client that takes gzip gets, with these replies of the upstream one after the other.
async fn ask(replies: impl IntoIterator<Item = Reply>) -> Vec<Response> {
    ask_in(replies.into_iter().map(|reply| ("gzip", reply))).await
}

/// Like `ask`, with an Accept-Encoding for each reply.
async fn ask_in(replies: impl IntoIterator<Item = (&'static str, Reply)>) -> Vec<Response> {
    let (accepts, replies): (Vec<_>, Vec<_>) = replies.into_iter().unzip();
    let upstream = Upstream::script(replies).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    let mut answers = Vec::new();
    for accept in accepts {
        let request = proxy.get("/").header("accept-encoding", accept);
        answers.push(request.send().await);
    }
    answers
}

/// The one coding of an answer, `identity` if it has none.
fn coding(answer: &Response) -> String {
    match answer.header_all("content-encoding")[..] {
        [] => "identity".to_owned(),
        [one] => one.to_ascii_lowercase(),
        _ => "several".to_owned(),
    }
}

/// The body without its coding; none if it cannot be decoded.
fn decoded(answer: &Response) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    match coding(answer).as_str() {
        "identity" => return Some(answer.body.clone()),
        "gzip" => GzDecoder::new(&answer.body[..])
            .read_to_end(&mut body)
            .ok()?,
        "br" => brotli::Decompressor::new(&answer.body[..], 4096)
            .read_to_end(&mut body)
            .ok()?,
        _ => return None,
    };
    Some(body)
}

/// Expects a whole answer in this coding which is this text.
#[track_caller]
fn expect_in(answer: &Response, wanted: &str, text: &str, usually: &str) {
    answer.expect_status(200);
    let coding = coding(answer);
    expect(
        coding == wanted,
        format!("Content-Encoding {wanted}, but it was {coding}"),
    )
    .usually(usually);
    expect(
        answer.complete && decoded(answer).as_deref() == Some(text.as_bytes()),
        "the same text after decoding",
    );
}

/// How often a list header has this item.
fn count(answer: &Response, name: &str, item: &str) -> usize {
    let lines = answer.header_all(name).join(",");
    lines
        .split(',')
        .filter(|it| it.trim().eq_ignore_ascii_case(item))
        .count()
}

/// Asks for the page with each Accept-Encoding, and expects it in the coding beside it.
async fn expect_choices(choices: &[(&str, &str)]) {
    let upstream = Upstream::always(page()).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    for (accept, wanted) in choices {
        let request = proxy.get("/").header("accept-encoding", *accept);
        let answer = request.send().await;
        expect_in(&answer, wanted, &text(5_000), WEIGHTS);
    }
}

#[tokio::test]
async fn the_greatest_weight_wins() {
    expect_choices(&[
        ("gzip;q=0.5, br;q=0.8", "br"),
        ("br;q=0.5, gzip;q=0.8", "gzip"),
        ("gzip;q=0.001, br;q=0.002", "br"),
        ("gzip, br", "br"),
        ("br, gzip", "br"),
        ("*", "br"),
        ("gzip;q=0.5, *;q=0.7", "br"),
        ("deflate, zstd, BR;Q=0.9 , gzip;q=0.9", "br"),
        ("identity;q=0.5, gzip;q=0.4", "identity"),
        ("identity;q=0.5, br;q=0.4", "identity"),
        ("identity, gzip;q=0.9, *;q=0.1", "identity"),
    ])
    .await;
}

#[tokio::test]
async fn a_weight_of_0_means_never() {
    expect_choices(&[
        ("gzip;q=0", "identity"),
        ("gzip;q=0, br;q=0.000", "identity"),
        ("br;q=0, *", "gzip"),
        ("*;q=0, gzip", "gzip"),
        ("*;q=0", "identity"),
        ("identity;q=0, gzip;q=0.1, br;q=0", "gzip"),
    ])
    .await;
}

#[tokio::test]
async fn two_lines_are_one_list() {
    let upstream = Upstream::always(page()).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    let answer = proxy
        .get("/")
        .header("accept-encoding", "gzip;q=0.2")
        .header("accept-encoding", "br;q=0.3")
        .send()
        .await;

    expect_in(&answer, "br", &text(5_000), WEIGHTS);
}

#[tokio::test]
async fn the_upstream_is_asked_for_the_same_coding() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    for (accept, wanted) in [
        ("gzip, br", "br"),
        ("gzip;q=0", "identity"),
        ("deflate, gzip;q=0.5", "gzip"),
    ] {
        let request = proxy.get("/").header("accept-encoding", accept);
        request.send().await.expect_status(200);
        upstream
            .last_request()
            .expect_list("accept-encoding", [wanted]);
    }
}

#[tokio::test]
async fn what_is_tiny_stays_as_it_is() {
    let lengths = [1, 40, 255];
    let replies = lengths.map(|length| Reply::text(200, text(length)));

    for (answer, length) in ask(replies).await.iter().zip(lengths) {
        let usually = "the module calls only bodies under 20 bytes tiny";
        expect_in(answer, "identity", &text(length), usually);
        answer.expect_header("content-length", length.to_string());
    }
}

#[tokio::test]
async fn a_part_stays_a_part() {
    let part = Reply::text(206, text(5_000))
        .header("content-range", "bytes 0-4999/9000")
        .header("etag", "\"v1\"");

    for answer in ask([part]).await {
        answer.expect_no_header("content-encoding").usually(WHOLE);
        answer.expect_body(text(5_000));
        answer.expect_header("etag", "\"v1\"");
    }
}

#[tokio::test]
async fn what_must_not_be_transformed_is_not() {
    let replies =
        ["no-transform", "max-age=60, No-Transform"].map(|it| page().header("cache-control", it));

    for answer in ask(replies).await {
        let usually = "RFC 9110, section 7.7: Cache-Control: no-transform";
        expect_in(&answer, "identity", &text(5_000), usually);
    }
}

#[tokio::test]
async fn what_is_compressed_by_its_nature_stays_as_it_is() {
    let kinds = [
        "application/pdf",
        "font/woff2",
        "video/mp4",
        "application/zip",
        "image/png",
    ];
    let replies = kinds.map(|kind| page().header("content-type", kind));

    for answer in ask(replies).await {
        let usually = "compress what is text: the module takes everything that begins with application/ or font/";
        expect_in(&answer, "identity", &text(5_000), usually);
    }
}

#[tokio::test]
async fn a_stream_still_streams() {
    let events = Reply::pieces(["data: one\n\n", "data: two\n\n"])
        .header("content-type", "text/event-stream");
    let lines = Reply::pieces(["one\n", "two\n"]);
    let upstream = Upstream::script([events, lines]).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    for first in ["data: one\n\n", "one\n"] {
        let request = proxy.get("/").header("accept-encoding", "gzip");
        let mut answer = request.start().await;
        let gzip = coding(answer.head()) == "gzip";
        answer
            .expect_pieces_where("the first piece, before the second is sent", |pieces| {
                let mut plain = GzWriter::new(Vec::new());
                let known = gzip && plain.write_all(pieces).is_ok() && plain.flush().is_ok();
                let plain = plain.get_ref().clone();
                first.as_bytes() == if known { &plain } else { pieces }
            })
            .await
            .usually(TRICKLE);
        upstream.release();
        answer.finish().await;
    }
}

#[tokio::test]
async fn an_event_stream_is_never_compressed() {
    let events = text(5_000);
    let reply =
        Reply::text(200, &*events).header("content-type", "text/event-stream; charset=utf-8");

    for answer in ask([reply]).await {
        expect_in(&answer, "identity", &events, TRICKLE);
    }
}

#[tokio::test]
async fn digests_of_the_old_bytes_are_gone() {
    let names = ["content-digest", "repr-digest", "content-md5", "digest"];
    let reply = names
        .iter()
        .fold(page(), |reply, name| reply.header(*name, "sha-256=:AAAA:"));

    for answer in ask([reply]).await {
        for name in names {
            answer.expect_no_header(name).usually(OTHER_BYTES);
        }
    }
}

mod given {
    use super::*;

    #[tokio::test]
    async fn text_is_compressed_for_who_takes_it() {
        let kinds = [
            "text/html; charset=utf-8",
            "application/json",
            "application/problem+json",
            "image/svg+xml",
            "application/javascript",
            "application/xml",
            "application/wasm",
        ];
        for wanted in ["gzip", "br"] {
            let replies = kinds.map(|kind| (wanted, page().header("content-type", kind)));
            for answer in ask_in(replies).await {
                expect_in(&answer, wanted, &text(5_000), "");
                answer.expect_no_header("content-length");
                expect(answer.body.len() < 1_000, "a body that is smaller");
            }
        }
    }

    #[tokio::test]
    async fn who_takes_neither_gets_the_text() {
        for answer in ask_in([("deflate", page()), ("", page())]).await {
            expect_in(&answer, "identity", &text(5_000), "");
            answer.expect_header("content-length", "5000");
        }
    }

    #[tokio::test]
    async fn exactly_256_bytes_are_enough() {
        for answer in ask([Reply::text(200, text(256))]).await {
            expect_in(&answer, "gzip", &text(256), "");
        }
    }

    #[tokio::test]
    async fn nothing_is_compressed_twice() {
        let codings = ["gzip", "br", "zstd", "gzip, br"];
        let replies = codings.iter().flat_map(|coding| {
            let reply = page()
                .header("content-encoding", *coding)
                .header("content-digest", "sha-256=:AAAA:")
                .header("etag", "\"v1\"");
            [("gzip", reply.clone()), ("br", reply)]
        });

        let answers = ask_in(replies).await;
        for (answers, coding) in answers.chunks(2).zip(codings) {
            for answer in answers {
                answer.expect_header("content-encoding", coding);
                answer.expect_body(text(5_000));
                answer.expect_header("content-digest", "sha-256=:AAAA:");
                answer.expect_header("etag", "\"v1\"");
            }
        }
    }

    #[tokio::test]
    async fn vary_is_merged_and_stands_on_every_variant() {
        let varies = |vary| page().header("vary", vary);
        let both = "Accept-Language, Accept-Encoding";

        for accept in ["gzip", "identity"] {
            let [plain, language, encoding, any] =
                [page(), varies("Accept-Language"), varies(both), varies("*")]
                    .map(|reply| (accept, reply));
            let answers = ask_in([plain, language, encoding, any]).await;
            for (answer, [encodings, languages]) in answers.iter().zip([[1, 0], [1, 1], [1, 1]]) {
                expect(
                    count(answer, "vary", "accept-encoding") == encodings
                        && count(answer, "vary", "accept-language") == languages,
                    "Accept-Encoding once in Vary, and what the upstream said",
                );
            }
            if let [.., any] = &answers[..] {
                any.expect_header("vary", "*");
            }
        }
    }

    #[tokio::test]
    async fn the_tag_is_weak_and_ranges_are_not_offered() {
        let reply = page()
            .header("etag", "\"v1\"")
            .header("accept-ranges", "bytes");

        for answer in ask([reply]).await {
            answer.expect_header("etag", "W/\"v1\"");
            answer.expect_no_header("accept-ranges");
        }
    }

    #[tokio::test]
    async fn head_has_the_header_of_get() {
        let reply = page()
            .header("etag", "\"v1\"")
            .header("accept-ranges", "bytes");
        let upstream = Upstream::always(reply).await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
        let client = proxy.client().await;

        for accept in ["gzip", "deflate"] {
            let ask = |method| {
                client
                    .request(method, "/")
                    .header("accept-encoding", accept)
            };
            let head = ask("HEAD").send().await;
            let get = ask("GET").send().await;
            for name in [
                "content-encoding",
                "content-length",
                "etag",
                "accept-ranges",
                "vary",
            ] {
                expect(
                    head.header(name) == get.header(name),
                    format!("the same {name} for HEAD as for GET"),
                );
            }
            head.expect_body("");
        }
    }

    #[tokio::test]
    async fn a_304_names_the_tag_that_the_client_has() {
        let upstream = Upstream::always(Reply::status(304).header("etag", "\"v1\"")).await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

        for tag in ["W/\"v1\"", "\"v1\""] {
            proxy
                .get("/")
                .header("accept-encoding", "gzip")
                .header("if-none-match", tag)
                .send()
                .await
                .expect_header("etag", tag);
        }
    }

    #[tokio::test]
    async fn an_early_hint_changes_nothing() {
        let body = text(500);
        let upstream = Upstream::always(Reply::raw(format!(
            "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n\
             HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 500\r\n\r\n{body}"
        )))
        .await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

        let answer = proxy
            .get("/")
            .header("accept-encoding", "gzip")
            .send()
            .await;

        expect_in(&answer, "gzip", &body, "");
    }
}
