//! 7.1 One JSON object a line, one line a request: whatever came of it, and whatever the client wrote into it.

use std::time::{Duration, Instant};

use lab::{Proxy, Reply, Upstream, expect, soon};
use serde_json::Value;

const EXERCISE: &str = "7-1";

const ONE_EACH: &str = "logging() runs once for each request, at its end, whatever the end was";
const ESCAPE: &str =
    "let serde_json write the object: format! puts a quote or a backslash in as it is";
const OUTCOME: &str = "error.esource() says on whose side it happened, error.etype() what; without an error, ctx.forwarded tells the rest";
const TERMINAL: &str = "serde_json escapes what JSON must escape, up to 0x1f; DEL and 0x80 to 0x9f mean something to a terminal too";

/// The lines of the access log so far, as they are.
fn lines(proxy: &Proxy) -> Vec<String> {
    proxy.log_lines_with("http.request.method")
}

/// Waits for so many lines, and expects that there is not one more and that each is one JSON object.
async fn objects(count: usize, proxy: &Proxy) -> Vec<Value> {
    soon(format!("{count} lines in the access log"), async || {
        lines(proxy).len() >= count
    })
    .usually(ONE_EACH)
    .await;
    let lines = lines(proxy);
    let found = lines.len();
    proxy
        .expect(
            found == count,
            format!("{count} lines in the access log, not {found}"),
        )
        .usually(ONE_EACH);
    proxy.expect_log_without("[ERROR").usually(
        "the one line says how the request ended: who counts lines would count this one twice",
    );
    let parsed = lines.iter().map(|line| {
        let object = serde_json::from_str::<Value>(line).ok();
        let object = object.filter(Value::is_object);
        let what = format!("one JSON object in the line, but it is: {line}");
        proxy.expect(object.is_some(), what).usually(ESCAPE);
        object.unwrap_or_default()
    });
    parsed.collect()
}

/// The only line.
async fn object(proxy: &Proxy) -> Value {
    objects(1, proxy).await.pop().unwrap_or_default()
}

/// A member that is null is as good as none.
fn member<'a>(name: &str, object: &'a Value) -> &'a Value {
    object.get(name).unwrap_or(&Value::Null)
}

#[track_caller]
fn expect_member(name: &str, wanted: impl Into<Value>, object: &Value, usually: &str) {
    let (wanted, found) = (wanted.into(), member(name, object));
    let what = format!("{name} {wanted}, but it is {found} in {object}");
    expect(*found == wanted, what).usually(usually);
}

#[track_caller]
fn expect_outcome(outcome: &str, status: impl Into<Value>, object: &Value) {
    expect_member("outcome", outcome, object, OUTCOME);
    expect_member(
        "http.response.status_code",
        status,
        object,
        "it is what the client was sent: a number, or nothing if nothing was sent",
    );
}

#[tokio::test]
async fn quotes_and_backslashes_come_back_as_they_were_sent() {
    for agent in [
        r#"a "quoted" word"#,
        r"C:\new\table",
        r#"x","outcome":"answered","http.request.method":"FORGED"#,
        r#""}{"http.request.method":"GET"#,
        r"ends in \",
        "a\ttab",
    ] {
        let upstream = Upstream::echo().await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

        proxy.get("/").header("user-agent", agent).send().await;

        let line = object(&proxy).await;
        expect_member("user_agent.original", agent, &line, ESCAPE);
        expect_member("http.request.method", "GET", &line, ESCAPE);
        expect_member("outcome", "answered", &line, OUTCOME);
    }
}

#[tokio::test]
async fn hostile_paths_come_back_as_they_were_sent() {
    for path in [
        r#"/"quoted""#,
        r#"/x","outcome":"forged"#,
        "/caf\u{e9}",
        "/%0a%22",
        "/A%2fb;C=d/../E",
    ] {
        let upstream = Upstream::echo().await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

        proxy.get(path).send().await.expect_status(200);

        let line = object(&proxy).await;
        expect_member("url.path", path, &line, ESCAPE);
        expect_member("outcome", "answered", &line, OUTCOME);
    }
}

#[tokio::test]
async fn bytes_that_are_no_utf8_are_replaced() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    let mut wire = proxy.connect().await;

    wire.send(b"GET / HTTP/1.1\r\nHost: edge\r\nUser-Agent: a\xff\"b\x9b\r\n\r\n")
        .await;
    wire.read_response().await.expect_status(200);

    let line = object(&proxy).await;
    expect_member(
        "user_agent.original",
        "a\u{fffd}\"b\u{fffd}",
        &line,
        "String::from_utf8_lossy, as in user_agent(), replaces what is not UTF-8; to_str() gives up on it",
    );
}

#[tokio::test]
async fn a_header_that_was_not_sent_has_no_value() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    let mut wire = proxy.connect().await;

    wire.send("GET / HTTP/1.1\r\nHost: edge\r\n\r\n").await;
    wire.read_response().await.expect_status(200);

    let line = object(&proxy).await;
    expect_member(
        "user_agent.original",
        Value::Null,
        &line,
        "an Option becomes null by itself; a word or an empty text in its place is what a client could have sent",
    );
}

#[tokio::test]
async fn a_terminal_finds_nothing_to_obey() {
    // C1 CSI, in UTF-8: to many terminals the same as ESC [.
    let agent = "x\u{9b}31m\u{85}y";
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    proxy.get("/").header("user-agent", agent).send().await;

    let line = object(&proxy).await;
    let raw = lines(&proxy).pop().unwrap_or_default();
    let what = format!("no control character in the line itself, but: {raw:?}");
    proxy
        .expect(!raw.contains(char::is_control), what)
        .usually(TERMINAL);
    expect_member("user_agent.original", agent, &line, TERMINAL);
}

#[tokio::test]
async fn what_is_not_ascii_survives() {
    let agent = "caf\u{e9} \u{1f980} \u{65e5}";
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    proxy
        .get("/\u{1f980}\u{9b}")
        .header("user-agent", agent)
        .send()
        .await;

    let line = object(&proxy).await;
    expect_member("user_agent.original", agent, &line, TERMINAL);
    expect_member("url.path", "/\u{1f980}\u{9b}", &line, TERMINAL);
    expect_member("outcome", "answered", &line, OUTCOME);
    let raw = lines(&proxy).pop().unwrap_or_default();
    let what = format!("no control character in the line itself, but: {raw:?}");
    proxy
        .expect(!raw.contains(char::is_control), what)
        .usually(TERMINAL);
}

#[tokio::test]
async fn secrets_stay_out() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    proxy
        .get("/reset?token=s3cr3t")
        .header("authorization", "Bearer s3cr3t")
        .header("cookie", "id=s3cr3t")
        .send()
        .await
        .expect_status(200);

    let line = object(&proxy).await;
    proxy
        .expect_log_without("s3cr3t")
        .usually("uri.path() is the target without its query");
    expect_member(
        "url.path",
        "/reset",
        &line,
        "uri.path() is the target without its query",
    );
}

#[tokio::test]
async fn what_the_proxy_answers_itself_is_local() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    proxy.get("/healthz").send().await.expect_status(204);

    expect_outcome("local", 204, &object(&proxy).await);
}

#[tokio::test]
async fn an_upstream_that_fails_is_upstream_failed() {
    for reply in [Reply::close(), Reply::reset(), Reply::garbage()] {
        let upstream = Upstream::always(reply).await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

        proxy.get("/").send().await.expect_status(502);

        expect_outcome("upstream_failed", 502, &object(&proxy).await);
    }

    let proxy = Proxy::of(EXERCISE).alone().await;
    proxy.get("/").send().await.expect_status(502);
    expect_outcome("upstream_failed", 502, &object(&proxy).await);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_upstream_failed() {
    let upstream = Upstream::always(Reply::truncated(100, "half")).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    proxy.get("/").send().await.expect_cut_short();

    expect_outcome("upstream_failed", 200, &object(&proxy).await);
}

#[tokio::test]
async fn an_upstream_that_is_silent_is_timed_out() {
    let upstream = Upstream::always(Reply::stall()).await;
    let proxy = Proxy::of(EXERCISE)
        .env("READ_TIMEOUT_MS", "100")
        .in_front_of(&upstream)
        .await;

    proxy.get("/").send().await.expect_status(504);

    expect_outcome("timed_out", 504, &object(&proxy).await);
}

#[tokio::test]
async fn an_upstream_that_cannot_be_reached_is_timed_out() {
    let upstream = Upstream::unreachable().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    proxy.get("/").send().await.expect_status(504);

    expect_outcome("timed_out", 504, &object(&proxy).await);
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_is_client_gone() {
    let upstream = Upstream::always(Reply::stall()).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    let mut wire = proxy.connect().await;

    wire.send("GET / HTTP/1.1\r\nHost: edge\r\n\r\n").await;
    upstream.wait_for_requests(1).await;
    drop(wire);

    expect_outcome("client_gone", Value::Null, &object(&proxy).await);
}

#[tokio::test]
async fn what_comes_before_the_answer_is_no_status() {
    let upstream = Upstream::always(Reply::raw("HTTP/1.1 103 Early Hints\r\n\r\n")).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    let mut wire = proxy.connect().await;

    wire.send("GET / HTTP/1.1\r\nHost: edge\r\n\r\n").await;
    wire.read_some().await;
    drop(wire);

    expect_outcome("client_gone", Value::Null, &object(&proxy).await);
}

#[tokio::test]
async fn a_client_that_leaves_its_upload_is_client_gone() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    let mut wire = proxy.connect().await;

    wire.send("POST / HTTP/1.1\r\nHost: edge\r\nContent-Length: 100\r\n\r\nhalf")
        .await;
    upstream.wait_for_requests(1).await;
    drop(wire);

    expect_outcome("client_gone", Value::Null, &object(&proxy).await);
}

#[tokio::test]
async fn a_client_that_leaves_its_download_is_client_gone() {
    let upstream = Upstream::always(Reply::text(200, vec![b'x'; 64 * 1024 * 1024])).await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

    let mut download = proxy.get("/").start().await;
    download.next_piece().await;
    drop(download);

    expect_outcome("client_gone", 200, &object(&proxy).await);
}

#[tokio::test]
async fn each_request_of_a_connection_has_its_line() {
    let upstream = Upstream::script([
        Reply::text(200, "first").then_close(),
        Reply::text(404, "second"),
        Reply::text(503, "third"),
    ])
    .await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    let client = proxy.client().await;

    for path in ["/a", "/b", "/c"] {
        client.get(path).header("user-agent", "\"").send().await;
    }

    let lines = objects(3, &proxy).await;
    let outcomes = [("/a", 200), ("/b", 404), ("/c", 503)];
    for (line, (path, status)) in lines.iter().zip(outcomes) {
        expect_member("url.path", path, line, ONE_EACH);
        expect_outcome("answered", status, line);
    }
}

mod given {
    use super::*;

    #[tokio::test]
    async fn an_ordinary_line_has_these_members() {
        let upstream = Upstream::echo().await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

        proxy
            .post("/hello")
            .header("user-agent", "lab")
            .body("x")
            .send()
            .await;

        let line = object(&proxy).await;
        expect_member("http.request.method", "POST", &line, ONE_EACH);
        expect_member("url.path", "/hello", &line, ONE_EACH);
        expect_member("user_agent.original", "lab", &line, ONE_EACH);
        expect_outcome("answered", 200, &line);
    }

    #[tokio::test]
    async fn a_body_that_is_no_http_is_failed() {
        let upstream = Upstream::echo().await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
        let mut wire = proxy.connect().await;

        wire.send(
            "POST / HTTP/1.1\r\nHost: edge\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        )
        .await;
        wire.read_response().await.expect_status(400);

        expect_outcome("failed", 400, &object(&proxy).await);
    }

    #[tokio::test]
    async fn the_duration_is_in_seconds() {
        let slow = Reply::text(200, "late").after(Duration::from_millis(300));
        let upstream = Upstream::always(slow).await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
        let begun = Instant::now();

        proxy.get("/").send().await.expect_status(200);

        let line = object(&proxy).await;
        let (seconds, passed) = (member("duration", &line).as_f64(), begun.elapsed());
        let right = 0.25..=passed.as_secs_f64();
        expect(
            seconds.is_some_and(|it| right.contains(&it)),
            format!("duration from 0.25 to what has passed, {passed:?}, in {line}"),
        )
        .usually("as_secs_f64() is seconds and parts of them");
    }

    #[tokio::test]
    async fn nothing_else_is_logged_of_a_request() {
        let upstream = Upstream::always(Reply::close()).await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
        let others = || {
            let log = proxy.log();
            let lines = log.lines().filter(|line| line.starts_with('['));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        let before = others();

        for (path, status) in [("/healthz", 204), ("/", 502), ("/healthz", 204)] {
            proxy.get(path).send().await.expect_status(status);
        }
        objects(3, &proxy).await;

        let after = others();
        let what = format!("no line but the three of the access log, but {after:#?}");
        proxy.expect(after == before, what).usually(
            "the line in ACCESS has it all; a second one would have to be matched with the first",
        );
    }

    #[tokio::test]
    async fn what_is_no_http_has_no_line_and_forges_none() {
        let upstream = Upstream::echo().await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
        let mut wire = proxy.connect().await;

        wire.send(b"GET / HTTP/1.1\r\nHost: edge\r\nUser-Agent: \x1b[31m\r\n\r\n")
            .await;
        wire.read_response().await.expect_status(400);
        proxy.get("/").send().await;

        let line = object(&proxy).await;
        expect_member("url.path", "/", &line, ONE_EACH);
    }
}
