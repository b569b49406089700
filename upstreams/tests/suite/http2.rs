//! Cleartext HTTP/2 with prior knowledge, on the same port.

use crate::common::{Server, patiently};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

async fn connect(server: &Server) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

async fn ask(
    sender: &mut SendRequest<Full<Bytes>>,
    method: &str,
    target: &str,
    body: &'static str,
) -> hyper::Result<Response<Incoming>> {
    let request = Request::builder()
        .method(method)
        .uri(format!("http://x{target}"))
        .header("x-b", "1");
    let request = request
        .body(Full::new(Bytes::from_static(body.as_bytes())))
        .unwrap();
    patiently(target, sender.send_request(request)).await
}

async fn body_of(response: Response<Incoming>) -> Bytes {
    patiently("body", response.into_body().collect())
        .await
        .unwrap()
        .to_bytes()
}

async fn json(response: Response<Incoming>) -> serde_json::Value {
    serde_json::from_slice(&body_of(response).await).unwrap()
}

#[tokio::test]
async fn one_handler_answers_both_versions() {
    let server = Server::start().await;
    let mut client = connect(&server).await;
    let response = ask(&mut client, "POST", "/a?b=c", "hello").await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["server"], "upstreams");
    assert_eq!(response.headers()["x-upstream"], "a");
    assert_eq!(response.headers()["content-type"], "application/json");
    let echo = json(response).await;
    assert_eq!(echo["version"], "HTTP/2");
    assert_eq!(echo["method"], "POST");
    assert_eq!(echo["target"], "/a?b=c");
    assert_eq!(echo["body"], "hello");
    assert_eq!(echo["headers"][0], ":authority: x");
    assert_eq!(echo["headers"][1], "x-b: 1");
    let second = json(ask(&mut client, "GET", "/", "").await.unwrap()).await;
    assert_eq!(
        (&second["connection"], &second["request"]),
        (&1.into(), &2.into())
    );
}

#[tokio::test]
async fn bodies_and_statuses() {
    let server = Server::start().await;
    let mut client = connect(&server).await;
    for (method, target, status, declared, length) in [
        ("GET", "/bytes/1000000", 200, Some("1000000"), 1_000_000),
        ("GET", "/bytes/1000000?chunked", 200, None, 1_000_000),
        ("GET", "/bytes/0", 200, Some("0"), 0),
        ("HEAD", "/bytes/1000", 200, Some("1000"), 0),
        ("HEAD", "/truncate/1000", 200, Some("1000"), 0),
        ("HEAD", "/trailers", 200, None, 0),
        ("GET", "/drip/2?every=1", 200, None, 24),
        ("GET", "/status/204", 204, None, 0),
        ("GET", "/status/304", 304, None, 0),
        ("GET", "/delay/1", 200, None, 0),
        ("GET", "/status/42", 400, Some("70"), 70),
    ] {
        let response = ask(&mut client, method, target, "").await.unwrap();
        assert_eq!(response.status(), status, "{target}");
        if target != "/delay/1" {
            let header = response
                .headers()
                .get("content-length")
                .map(|value| value.to_str().unwrap());
            assert_eq!(header, declared, "{method} {target}");
            assert_eq!(body_of(response).await.len(), length, "{method} {target}");
        }
    }
}

#[tokio::test]
async fn headers_and_health() {
    let server = Server::start().await;
    let mut client = connect(&server).await;
    let response = ask(
        &mut client,
        "GET",
        "/headers?Set-Cookie=a&Set-Cookie=b&X-C=d",
        "",
    )
    .await
    .unwrap();
    assert_eq!(
        response
            .headers()
            .get_all("set-cookie")
            .iter()
            .collect::<Vec<_>>(),
        ["a", "b"]
    );
    assert_eq!(response.headers()["x-c"], "d");
    assert_eq!(
        ask(&mut client, "PUT", "/health/503", "")
            .await
            .unwrap()
            .status(),
        200
    );
    assert_eq!(server.get("/health").await.status, 503);
}

#[tokio::test]
async fn trailers_are_trailers() {
    let server = Server::start().await;
    let response = ask(&mut connect(&server).await, "GET", "/trailers", "")
        .await
        .unwrap();
    let collected = patiently("body", response.into_body().collect())
        .await
        .unwrap();
    assert_eq!(
        collected.trailers().unwrap()["x-trailer"],
        "the body is complete"
    );
}

#[tokio::test]
async fn close_resets_the_stream_and_not_the_connection() {
    let server = Server::start().await;
    let mut client = connect(&server).await;
    assert!(ask(&mut client, "GET", "/close", "").await.is_err());
    assert_eq!(
        json(ask(&mut client, "GET", "/", "").await.unwrap()).await["request"],
        2
    );
}

#[tokio::test]
async fn truncate_sends_half_and_resets() {
    let server = Server::start().await;
    let mut client = connect(&server).await;
    let response = ask(&mut client, "GET", "/truncate/1000", "").await.unwrap();
    assert_eq!(response.headers()["content-length"], "1000");
    let mut body = response.into_body();
    let mut length = 0;
    let end = loop {
        match patiently("frame", body.frame()).await {
            Some(Ok(frame)) => length += frame.into_data().unwrap().len(),
            other => break other,
        }
    };
    assert_eq!(length, 500);
    assert!(
        end.is_some_and(|end| end.is_err()),
        "the body ended as if it were complete"
    );
}

#[tokio::test]
async fn websocket_is_for_http_1_1() {
    let server = Server::start().await;
    let response = ask(&mut connect(&server).await, "GET", "/ws", "")
        .await
        .unwrap();
    assert_eq!(response.status(), 426);
    assert!(response.headers().get("upgrade").is_none());
}

#[tokio::test]
async fn a_stop_finishes_what_is_in_flight() {
    let server = Server::start().await;
    let mut client = connect(&server).await;
    let response = ask(&mut client, "GET", "/drip/3?every=50", "")
        .await
        .unwrap();
    let stopped = server.stop();
    assert!(body_of(response).await.ends_with(b"line 3 of 3\n"));
    patiently("the stop", stopped).await.unwrap().unwrap();
}
