//! Every path that misbehaves, and its bound.

use crate::common::Server;
use std::time::{Duration, Instant};

#[tokio::test]
async fn help_lists_every_path() {
    let server = Server::start().await;
    let help = server.get("/help").await;
    assert_eq!(
        help.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    for path in [
        "/status/",
        "/delay/",
        "/drip/",
        "/bytes/",
        "/text",
        "/trailers",
        "/close",
        "/truncate/",
        "/headers",
        "/health",
        "/slow/",
        "/ws",
        "/help",
    ] {
        assert!(
            help.text().lines().any(|line| line.starts_with(path)),
            "{path}"
        );
    }
}

#[tokio::test]
async fn every_example_of_help_works() {
    let server = Server::start().await;
    let help = server.get("/help").await.text();
    let examples: Vec<&str> = help
        .lines()
        .filter_map(|line| line.trim().strip_prefix("example: "))
        .collect();
    assert_eq!(examples.len(), 14);
    for example in examples.into_iter().filter(|example| *example != "/close") {
        let (method, target) = example.split_once(' ').unwrap_or(("GET", example));
        let expected = match target {
            "/status/404" => 404,
            "/ws" => 426,
            _ => 200,
        };
        assert_eq!(
            server.ask(method, target).await.status,
            expected,
            "{example}"
        );
    }
}

#[tokio::test]
async fn numbers_beyond_their_bound_are_refused_by_name() {
    let server = Server::start().await;
    for (target, bound) in [
        ("/status/199", "from 200 to 599"),
        ("/status/600", "from 200 to 599"),
        ("/status/", "from 200 to 599"),
        ("/status/404/x", "from 200 to 599"),
        ("/delay/60001", "from 0 to 60000"),
        ("/delay/-1", "from 0 to 60000"),
        ("/drip/10001", "from 0 to 10000"),
        ("/drip/5?every=10001", "from 0 to 10000"),
        ("/drip/5?every=x", "from 0 to 10000"),
        ("/bytes/104857601", "from 0 to 104857600"),
        ("/bytes/99999999999999999999999", "from 0 to 104857600"),
        ("/truncate/0", "from 1 to 104857600"),
        ("/truncate/104857601", "from 1 to 104857600"),
        ("/text?kib=10241", "from 0 to 10240"),
    ] {
        let response = server.get(target).await;
        assert_eq!(response.status, 400, "{target}");
        assert!(
            response.text().contains(bound),
            "{target}: {}",
            response.text()
        );
    }
    let response = server.ask("PUT", "/health/42").await;
    assert_eq!(response.status, 400);
    assert_eq!(server.get("/health").await.status, 200);
}

#[tokio::test]
async fn paths_without_their_argument_are_like_any_other() {
    let server = Server::start().await;
    for target in [
        "/status", "/delay", "/bytes", "/helpers", "/close/x", "/text/x", "//help",
    ] {
        assert_eq!(server.get(target).await.json()["target"], target);
    }
}

#[tokio::test]
async fn status_answers_with_that_status() {
    let server = Server::start().await;
    for status in [200, 404, 503, 599] {
        let response = server.get(&format!("/status/{status}")).await;
        assert_eq!(response.status, status);
        assert_eq!(response.json()["target"], format!("/status/{status}"));
    }
}

#[tokio::test]
async fn statuses_without_content_have_none() {
    let server = Server::start().await;
    for (status, length) in [(204, None), (304, None), (205, Some("0"))] {
        let response = server.get(&format!("/status/{status}")).await;
        assert_eq!(response.status, status);
        assert_eq!(response.header("content-length"), length, "{status}");
        assert_eq!(response.header("transfer-encoding"), None);
        assert_eq!(response.header("content-type"), None);
        assert_eq!(response.body, b"");
    }
}

#[tokio::test]
async fn head_is_a_get_without_its_body() {
    let server = Server::start().await;
    for target in [
        "/status/404",
        "/delay/1",
        "/drip/3?every=1",
        "/bytes/1000",
        "/bytes/1000?chunked",
        "/text",
        "/truncate/1000",
        "/headers?X-A=b",
        "/health",
        "/help",
        "/ws",
    ] {
        let (get, mut wire) = (server.get(target).await, server.connect().await);
        wire.send(format!(
            "HEAD {target} HTTP/1.1\r\nHost: x\r\n\r\nGET /after HTTP/1.1\r\nHost: x\r\n\r\n"
        ))
        .await;
        let head = crate::common::Response::parse(wire.until("\r\n\r\n").await.as_bytes());
        assert_eq!(head.status, get.status, "{target}");
        let named = |name: &str| (head.header(name).is_some(), get.header(name).is_some());
        for name in [
            "content-type",
            "content-length",
            "transfer-encoding",
            "x-upstream",
            "server",
            "x-a",
        ] {
            assert_eq!(named(name).0, named(name).1, "{target}: {name}");
        }
        assert_eq!(
            head.header("connection"),
            head.header("upgrade").map(|_| "upgrade"),
            "{target}"
        );
        // Had there been a body, the next answer would not begin here.
        assert_eq!(wire.response().await.json()["target"], "/after", "{target}");
    }
    assert_eq!(
        server
            .ask("HEAD", "/bytes/1000")
            .await
            .header("content-length"),
        Some("1000")
    );
}

#[tokio::test]
async fn a_delay_comes_before_the_head() {
    let server = Server::start().await;
    let started = std::time::Instant::now();
    assert_eq!(
        server.get("/delay/200").await.json()["target"],
        "/delay/200"
    );
    assert!(started.elapsed() >= std::time::Duration::from_millis(200));
}

#[tokio::test]
async fn drip_sends_line_by_line() {
    let server = Server::start().await;
    let mut wire = server.connect().await;
    // The second line is ten seconds away, so the first arrives by itself or the answer was held back.
    wire.send("GET /drip/2?every=10000 HTTP/1.1\r\nHost: x\r\n\r\n")
        .await;
    assert!(
        wire.until("line 1 of 2\n\r\n")
            .await
            .contains("transfer-encoding: chunked")
    );
    let mut piece = [0; 1];
    assert!(
        wire.stream.try_read(&mut piece).is_err(),
        "the second line came at once"
    );

    let (body, end) = server.get("/drip/3?every=1").await.unchunked();
    assert_eq!(body, b"line 1 of 3\nline 2 of 3\nline 3 of 3\n");
    assert_eq!(end, "\r\n");
    assert_eq!(server.get("/drip/0").await.unchunked().0, b"");
}

#[tokio::test]
async fn bytes_are_as_many_as_asked_for() {
    let server = Server::start().await;
    for length in [0, 1, 16_383, 16_384, 1_000_000] {
        let response = server.get(&format!("/bytes/{length}")).await;
        assert_eq!(
            response.header("content-length"),
            Some(length.to_string().as_str())
        );
        assert_eq!(response.body.len(), length);
        let (body, _) = server
            .get(&format!("/bytes/{length}?chunked"))
            .await
            .unchunked();
        assert_eq!(body, response.body);
    }
}

#[tokio::test]
async fn text_is_as_long_as_asked_for() {
    let server = Server::start().await;
    assert_eq!(server.get("/text").await.body.len(), 16 * 1024);
    let response = server.get("/text?kib=64").await;
    assert_eq!(response.body.len(), 64 * 1024);
    assert_eq!(
        response.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
}

#[tokio::test]
async fn trailers_follow_the_last_chunk() {
    let server = Server::start().await;
    let response = server.get("/trailers").await;
    assert_eq!(response.header("trailer"), Some("x-trailer"));
    let (body, end) = response.unchunked();
    assert!(body.starts_with(b"{\n"));
    assert_eq!(end, "x-trailer: the body is complete\r\n\r\n");
}

#[tokio::test]
async fn close_sends_not_a_byte() {
    let server = Server::start().await;
    for method in ["GET", "HEAD", "POST"] {
        let mut wire = server.connect().await;
        wire.send(format!("{method} /close HTTP/1.1\r\nHost: x\r\n\r\n"))
            .await;
        assert_eq!(wire.rest().await, b"");
    }
}

#[tokio::test]
async fn truncate_sends_half_of_what_it_declares() {
    let server = Server::start().await;
    for length in [1, 2, 1000, 1_000_000] {
        let response = server
            .exchange(format!(
                "GET /truncate/{length} HTTP/1.1\r\nHost: x\r\n\r\n"
            ))
            .await;
        assert_eq!(
            response.header("content-length"),
            Some(length.to_string().as_str())
        );
        assert_eq!(response.body.len(), length / 2);
    }
}

#[tokio::test]
async fn headers_are_as_asked_for() {
    let server = Server::start().await;
    let response = server
        .get("/headers?Cache-Control=max-age%3D60&Set-Cookie=a%3Db&Set-Cookie=c&Content-Type=x/y&Date=never&X")
        .await;
    assert_eq!(response.status, 200);
    assert!(
        response
            .headers
            .contains(&("Cache-Control".to_owned(), "max-age=60".to_owned()))
    );
    assert_eq!(response.header_all("set-cookie"), ["a=b", "c"]);
    assert_eq!(response.header_all("content-type"), ["x/y"]);
    assert_eq!(response.header_all("date"), ["never"]);
    assert_eq!(response.header_all("x"), [""]);
    assert_eq!(response.json()["method"], "GET");
}

#[tokio::test]
async fn headers_that_would_break_the_message_are_refused() {
    let server = Server::start().await;
    for query in [
        "Content-Length=1",
        "Transfer-Encoding=chunked",
        "Connection=close",
        "a=b%0d%0aX-C:d",
        "a%20b=c",
        "Server=x",
    ] {
        let response = server.get(&format!("/headers?{query}")).await;
        assert_eq!(response.status, 400, "{query}");
        assert!(
            response.text().contains("For example: /headers?"),
            "{query}"
        );
        assert_eq!(response.header_all("x-c"), [""; 0]);
        assert_eq!(response.header_all("server"), ["upstreams"]);
    }
}

#[tokio::test]
async fn health_is_what_was_set_on_this_server() {
    let (server, other) = (Server::start().await, Server::start().await);
    assert_eq!(server.get("/health").await.text(), "ok\n");
    assert_eq!(server.ask("PUT", "/health/503").await.status, 200);
    assert_eq!(server.get("/health").await.status, 503);
    assert_eq!(other.get("/health").await.status, 200);
    let refused = server.get("/health/200").await;
    assert_eq!(
        (refused.status, refused.header("allow")),
        (405, Some("PUT"))
    );
    assert_eq!(server.get("/health").await.status, 503);
    assert_eq!(server.ask("PUT", "/health/200").await.status, 200);
    assert_eq!(server.get("/health").await.text(), "ok\n");
}

#[tokio::test]
async fn a_slow_server_is_slow_to_give_the_usual_answer_only() {
    let (server, other) = (Server::start().await, Server::start().await);
    assert_eq!(server.ask("PUT", "/slow/300").await.status, 200);

    let began = Instant::now();
    assert_eq!(server.get("/any").await.json()["target"], "/any");
    assert!(began.elapsed() >= Duration::from_millis(300));

    let began = Instant::now();
    assert_eq!(server.get("/headers?a=b").await.header("a"), Some("b"));
    assert!(began.elapsed() >= Duration::from_millis(300));

    // As long as the patience of a test: an answer that comes did not wait.
    assert_eq!(server.ask("PUT", "/slow/60000").await.status, 200);
    assert_eq!(server.get("/health").await.text(), "ok\n");
    assert_eq!(server.get("/text").await.status, 200);
    assert_eq!(other.get("/any").await.status, 200);

    let refused = server.get("/slow/0").await;
    assert_eq!(
        (refused.status, refused.header("allow")),
        (405, Some("PUT"))
    );
    assert_eq!(server.ask("PUT", "/slow/60001").await.status, 400);
    assert_eq!(server.ask("PUT", "/slow/0").await.status, 200);
    assert_eq!(server.get("/any").await.status, 200);
}
