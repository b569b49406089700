//! Every wait for an upstream has an end, and the client is told.

use lab::{Certificates, Reply, Response, Upstream};

use crate::{demo, https};

async fn impatient(variables: &[&str], upstream: &Upstream, body: usize) -> Response {
    let certificates = Certificates::new();
    let demo = variables
        .iter()
        .fold(demo(&certificates), |demo, name| demo.env(name, 300));
    let proxy = demo.in_front_of(upstream).await;
    let request = https(&proxy, &certificates).post("/a");
    let answer = request.body(vec![b'a'; body]).send().await;
    answer.expect_header("content-type", "application/json");
    answer
}

#[tokio::test]
async fn one_that_does_not_take_the_connection() {
    let upstream = Upstream::unreachable().await;
    let answer = impatient(&["CONNECT_TIMEOUT_MS"], &upstream, 0).await;
    answer.expect_status(504);
}

#[tokio::test]
async fn one_that_does_not_answer() {
    let upstream = Upstream::silent().await;
    let answer = impatient(&["READ_TIMEOUT_MS"], &upstream, 0).await;
    answer.expect_status(504);
}

/// The limit of a WebSocket is for nobody else who asks for an upgrade.
#[tokio::test]
async fn one_that_does_not_answer_who_asks_for_another_protocol() {
    let upstream = Upstream::silent().await;
    let certificates = Certificates::new();
    let proxy = demo(&certificates).env("READ_TIMEOUT_MS", 300);
    let proxy = proxy.env("TUNNEL_IDLE_MS", 3_600_000);
    let proxy = proxy.in_front_of(&upstream).await;
    let request = https(&proxy, &certificates).get("/");
    let request = request.header("connection", "upgrade");
    let answer = request.header("upgrade", "irc").send().await;
    answer.expect_status(504);
}

/// When it takes no more, Pingora still waits whether it has answered already: READ_TIMEOUT_MS comes on top.
#[tokio::test]
async fn one_that_takes_no_body() {
    let upstream = Upstream::always(Reply::stop_reading()).await;
    let answer = impatient(&["WRITE_TIMEOUT_MS", "READ_TIMEOUT_MS"], &upstream, 8 << 20).await;
    answer.expect_status(504);
}

#[tokio::test]
async fn one_that_is_not_there() {
    let upstream = Upstream::refusing().await;
    let answer = impatient(&["CONNECT_TIMEOUT_MS"], &upstream, 0).await;
    answer.expect_status(502);
}
