//! 3.5 A member is taken out of JSON, in however many pieces it comes, and everything else passes as it came.

use lab::{Client, Proxy, Reply, Response, Upstream, expect};
use serde_json::json;

const EXERCISE: &str = "3-5";

const LIMIT: usize = 200;

const PIECES: &str =
    "the filter runs once for each piece; only end_of_stream says that the document is whole";
const LENGTH: &str = "the header goes out first: a Content-Length that is still in it is the old one, and Pingora cuts there";
const OTHER_BYTES: &str =
    "what the upstream said of its bytes is not true of yours: adjust the header with the body";
const READABLE: &str =
    "without Accept-Encoding any coding is welcome (RFC 9110, section 12.5.3): say identity";

/// A document, and what the client should get for it.
const DOCUMENT: &str =
    r#"{"id":7,"upstream":"8081","items":[{"upstream":{"zone":"b"},"price":1.5}],"ok":true}"#;

fn expected() -> serde_json::Value {
    json!({"id": 7, "items": [{"price": 1.5}], "ok": true})
}

async fn start(upstream: &Upstream) -> Proxy {
    Proxy::of(EXERCISE)
        .env("MAX_JSON_BYTES", LIMIT)
        .in_front_of(upstream)
        .await
}

/// Asks for an answer in so many pieces, which need not wait for anything.
async fn in_pieces(upstream: &Upstream, client: &Client, pieces: usize) -> Response {
    (1..pieces).for_each(|_| upstream.release());
    client.get("/").send().await
}

/// What the client gets for GET, with these replies of the upstream one after the other.
async fn answers_to_get(replies: impl IntoIterator<Item = Reply>) -> Vec<Response> {
    let replies = Vec::from_iter(replies);
    let count = replies.len();
    let upstream = Upstream::script(replies).await;
    let proxy = start(&upstream).await;
    let mut answers = Vec::new();
    for _ in 0..count {
        answers.push(proxy.get("/").send().await);
    }
    answers
}

/// JSON in these chunks.
fn json_in<P: Into<Vec<u8>>>(pieces: impl IntoIterator<Item = P>) -> Reply {
    Reply::pieces(pieces).header("content-type", "application/json")
}

/// JSON of exactly so many bytes.
fn json_of(length: usize) -> String {
    let frame = r#"{"upstream":1,"text":""}"#.len();
    format!(
        r#"{{"upstream":1,"text":"{}"}}"#,
        "x".repeat(length - frame)
    )
}

#[tokio::test]
async fn the_member_is_gone_and_the_rest_arrives() {
    let upstream = Upstream::always(Reply::json(200, DOCUMENT)).await;
    let proxy = start(&upstream).await;
    let client = proxy.client().await;

    for _ in 0..2 {
        let answer = client.get("/").send().await;
        answer.expect_json("", expected()).usually(LENGTH);
    }
    client.expect_open().await;
}

#[tokio::test]
async fn every_kind_of_json_is_rewritten() {
    let kinds = [
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/problem+json",
    ];
    let replies = kinds.map(|kind| Reply::json(200, DOCUMENT).header("content-type", kind));

    for (answer, kind) in answers_to_get(replies).await.iter().zip(kinds) {
        answer.expect_json("", expected()).usually(LENGTH);
        answer.expect_header("content-type", kind);
    }
}

#[tokio::test]
async fn any_split_into_two_pieces_is_right() {
    let splits: Vec<_> = (1..DOCUMENT.len())
        .map(|at| json_in([&DOCUMENT[..at], &DOCUMENT[at..]]))
        .collect();
    let upstream = Upstream::script(splits).await;
    let proxy = start(&upstream).await;

    let client = proxy.client().await;
    for _ in 1..DOCUMENT.len() {
        in_pieces(&upstream, &client, 2)
            .await
            .expect_json("", expected())
            .usually(PIECES);
    }
}

#[tokio::test]
async fn byte_by_byte_is_right() {
    let upstream = Upstream::always(json_in(DOCUMENT.bytes().map(|byte| [byte]))).await;
    let proxy = start(&upstream).await;

    in_pieces(&upstream, &proxy.client().await, DOCUMENT.len())
        .await
        .expect_json("", expected())
        .usually(PIECES);
}

#[tokio::test]
async fn pieces_that_are_documents_are_no_document() {
    // One JSON text a line: each piece can be parsed, the whole cannot.
    let lines = ["{\"upstream\":1}\n", "{\"upstream\":2}\n"];
    // And a body that can be parsed before it is whole.
    let early = [DOCUMENT, "  ", "\n"];
    let upstream = Upstream::script([json_in(lines), json_in(early)]).await;
    let proxy = start(&upstream).await;
    let client = proxy.client().await;

    in_pieces(&upstream, &client, 2)
        .await
        .expect_body(lines.concat())
        .usually(PIECES);
    in_pieces(&upstream, &client, 3)
        .await
        .expect_json("", expected())
        .usually(PIECES);
}

#[tokio::test]
async fn exactly_the_limit_is_rewritten() {
    let body = json_of(LIMIT);
    let text = &body[r#"{"upstream":1,"text":""#.len()..LIMIT - 2];
    let (first, last) = body.split_at(LIMIT - 1);
    let upstream = Upstream::script([json_in([first, last]), Reply::json(200, &body)]).await;
    let proxy = start(&upstream).await;

    for pieces in [2, 1] {
        let answer = in_pieces(&upstream, &proxy.client().await, pieces).await;
        answer.expect_json("", json!({ "text": text })).usually(
            "a body that has exactly the limit may be held: only one byte more is too much",
        );
    }
}

#[tokio::test]
async fn the_length_is_right_or_gone() {
    let upstream = Upstream::always(Reply::json(200, DOCUMENT)).await;
    let proxy = start(&upstream).await;

    let answer = proxy.get("/").send().await;

    let length = answer.header("content-length").map(str::to_owned);
    expect(
        length.is_none_or(|length| length == answer.body.len().to_string()),
        "no Content-Length, or that of the new body",
    )
    .usually(LENGTH);
    answer.expect_json("", expected());
}

#[tokio::test]
async fn a_strong_tag_is_weak_or_gone() {
    let tags = ["\"v1\"", "W/\"v1\""];
    let replies = tags.map(|tag| Reply::json(200, DOCUMENT).header("etag", tag));

    for answer in answers_to_get(replies).await {
        expect(
            answer.header("etag").is_none_or(|tag| tag == "W/\"v1\""),
            "ETag: W/\"v1\", or none",
        )
        .usually(OTHER_BYTES);
        answer.expect_json("", expected());
    }
}

#[tokio::test]
async fn digests_and_ranges_of_the_old_body_are_gone() {
    let reply = Reply::json(200, DOCUMENT)
        .header("content-digest", "sha-256=:AAAA:")
        .header("repr-digest", "sha-256=:AAAA:")
        .header("content-md5", "AAAA")
        .header("digest", "sha-256=AAAA")
        .header("accept-ranges", "bytes");
    let upstream = Upstream::always(reply).await;
    let proxy = start(&upstream).await;

    let answer = proxy.get("/").send().await;

    for name in ["content-digest", "repr-digest", "content-md5", "digest"] {
        answer.expect_no_header(name).usually(OTHER_BYTES);
    }
    expect(
        answer.header("accept-ranges").is_none_or(|it| it == "none"),
        "no Accept-Ranges: bytes",
    )
    .usually(OTHER_BYTES);
}

#[tokio::test]
async fn head_has_the_header_of_get() {
    let upstream = Upstream::always(Reply::json(200, DOCUMENT).header("etag", "\"v1\"")).await;
    let proxy = start(&upstream).await;
    let client = proxy.client().await;

    let head = client.head("/").send().await;
    let get = client.get("/").send().await;

    for name in ["etag", "content-type"] {
        expect(
            head.header(name) == get.header(name),
            format!("the same {name} for HEAD as for GET"),
        );
    }
    expect(
        head.header("content-length")
            .is_none_or(|length| length == get.body.len().to_string()),
        "no Content-Length for HEAD, or that of GET",
    )
    .usually(LENGTH);
    get.expect_json("", expected());
}

#[tokio::test]
async fn the_upstream_is_asked_for_a_readable_body() {
    let upstream = Upstream::echo().await;
    let proxy = start(&upstream).await;

    for client_accepts in ["gzip, br", "identity;q=0"] {
        proxy
            .get("/")
            .header("accept-encoding", client_accepts)
            .send()
            .await
            .expect_status(200);
        upstream
            .last_request()
            .expect_list("accept-encoding", ["identity"])
            .usually(READABLE);
    }
}

mod given {
    use super::*;

    #[tokio::test]
    async fn what_is_not_json_passes_untouched() {
        let kinds = [
            "text/plain",
            "application/jsonlines",
            "text/html; profile=json",
        ];
        let replies = kinds.map(|kind| {
            Reply::json(200, DOCUMENT)
                .header("content-type", kind)
                .header("etag", "\"v1\"")
        });

        for answer in answers_to_get(replies).await {
            answer.expect_body(DOCUMENT);
            answer.expect_header("etag", "\"v1\"");
            answer.expect_header("content-length", DOCUMENT.len().to_string());
        }
    }

    #[tokio::test]
    async fn broken_json_passes_untouched() {
        let broken: [&[u8]; 5] = [
            b"{\"upstream\":\"8081\"",
            b"{\"upstream\":\"8081\"}}",
            b"{\"upstream\":\"\xff\"}",
            b"",
            b"\xef\xbb\xbf{}",
        ];
        let replies =
            broken.map(|body| Reply::text(200, body).header("content-type", "application/json"));

        for (answer, body) in answers_to_get(replies).await.iter().zip(broken) {
            answer.expect_body(body);
        }
    }

    #[tokio::test]
    async fn a_body_above_the_limit_passes_and_streams_on() {
        // A piece that is a document itself, after the limit.
        let long = format!("[{},", json_of(LIMIT));
        let pieces = [&long[..20], &long[20..], "{\"upstream\":1}", "]"];
        let upstream = Upstream::always(json_in(pieces)).await;
        let proxy = start(&upstream).await;

        upstream.release();
        let mut answer = proxy.get("/").start().await;
        answer.expect_piece(&long).await.usually(
            "once the body is above the limit nothing is held any more, what was held goes first",
        );
        upstream.release();
        answer
            .expect_piece("{\"upstream\":1}")
            .await
            .usually("what has been passed on in part must pass as it is to its end");
        upstream.release();

        answer.finish().await.expect_body(pieces.concat());
    }

    #[tokio::test]
    async fn what_is_too_long_or_compressed_or_protected_passes_with_its_header() {
        let reply = |status| Reply::json(status, DOCUMENT).header("etag", "\"v1\"");
        let long = json_of(LIMIT + 1);
        let replies = [
            (
                reply(206).header("content-range", "bytes 0-84/900"),
                DOCUMENT,
            ),
            (reply(500), DOCUMENT),
            (
                reply(200).header("cache-control", "max-age=60, No-Transform"),
                DOCUMENT,
            ),
            // It was asked not to, and what it says is not even true.
            (reply(200).header("content-encoding", "gzip"), DOCUMENT),
            (Reply::json(200, &long).header("etag", "\"v1\""), &long),
        ];
        let (replies, bodies): (Vec<_>, Vec<_>) = replies.into_iter().unzip();

        for (answer, body) in answers_to_get(replies).await.iter().zip(bodies) {
            answer.expect_body(body);
            answer.expect_header("etag", "\"v1\"");
            answer.expect_header("content-length", body.len().to_string());
        }
    }

    #[tokio::test]
    async fn answers_without_a_body_stay_without_one() {
        let replies = [204, 304].map(|status| {
            Reply::status(status)
                .header("content-type", "application/json")
                .header("etag", "\"v1\"")
        });

        for (answer, status) in answers_to_get(replies).await.iter().zip([204, 304]) {
            answer.expect_status(status);
            answer.expect_header("etag", "\"v1\"");
            answer.expect_body("");
        }
    }

    #[tokio::test]
    async fn a_304_names_the_tag_that_the_client_has() {
        let upstream = Upstream::always(Reply::status(304).header("etag", "\"v1\"")).await;
        let proxy = start(&upstream).await;

        proxy
            .get("/")
            .header("if-none-match", "W/\"v1\"")
            .send()
            .await
            .expect_header("etag", "W/\"v1\"");
        upstream
            .last_request()
            .expect_header("if-none-match", "W/\"v1\"");
    }

    #[tokio::test]
    async fn a_body_that_is_cut_does_not_look_whole() {
        let chunk = format!("{:x}\r\n{DOCUMENT}\r\n", DOCUMENT.len());
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
        let replies = [
            format!("{head}Content-Length: 190\r\n\r\n{DOCUMENT}"),
            format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunk}"),
        ]
        .map(|bytes| Reply::raw(bytes).then_close());

        for answer in answers_to_get(replies).await {
            answer.expect_cut_short();
        }
    }

    #[tokio::test]
    async fn a_limit_that_is_no_number_is_refused() {
        let ended = Proxy::of(EXERCISE)
            .env("MAX_JSON_BYTES", "-1")
            .run_to_end()
            .await;

        ended.expect_code(2);
        ended.expect_stderr_contains("MAX_JSON_BYTES");
    }
}
