//! 8.8 SIGTERM: what is in flight is finished, clients are told to close, and the process leaves as soon as it can.

use lab::{Client, Proxy, ProxyBuilder, Reply, Signal, Upstream, eventually, patience, soon};
use std::time::Duration;
use tokio::net::TcpStream;

const EXERCISE: &str = "8-8";

/// Between two bytes of what is slow.
const PAUSE: Duration = Duration::from_millis(40);

const SLEEPS: &str = "Pingora sleeps through its whole grace period, whatever is in flight: something has to end the \
                      process before";
const CUT: &str =
    "a request is in flight until the last byte of its answer is written, not until its header is";
const NOT_GIVEN_BACK: &str = "a request that ends without an answer is over as well: it has to be given back like any \
                              other";

/// With a limit that no wait of these tests lasts as long as.
fn proxy() -> ProxyBuilder {
    Proxy::of(EXERCISE).env("DRAIN_MS", (patience() * 6).as_millis())
}

const ALPHABET: &str = "abcdefghijklmnopqrstuvwxyz";

/// An answer that takes a second.
fn slow() -> Reply {
    Reply::text(200, ALPHABET).chunked().drip(PAUSE)
}

/// Sends SIGTERM, and waits until the drain has begun: nobody can connect any more.
async fn terminate(proxy: &Proxy) {
    proxy.signal(Signal::SIGTERM);
    eventually("the proxy refuses new connections", async || {
        TcpStream::connect(proxy.address()).await.is_err()
    })
    .await;
}

async fn expect_closed(client: &Client) {
    soon("the proxy closes an idle connection", async || {
        !client.is_open().await
    })
    .await;
}

async fn expect_exit(proxy: &Proxy) {
    proxy.wait_for_exit().usually(SLEEPS).await.expect_code(0);
}

#[tokio::test]
async fn leaves_when_the_last_download_has_ended() {
    let upstream = Upstream::always(slow()).await;
    let proxy = proxy().in_front_of(&upstream).await;
    let mut first = proxy.get("/").start().await;
    first.expect_piece("a").await;
    let mut second = proxy.get("/").start().await;
    second.expect_piece("a").await;
    terminate(&proxy).await;

    first.finish().await.expect_body(ALPHABET).usually(CUT);
    second.finish().await.expect_body(ALPHABET).usually(CUT);

    expect_exit(&proxy).await;
}

#[tokio::test]
async fn leaves_when_an_upload_has_been_answered() {
    let upstream = Upstream::always(slow()).await;
    let proxy = proxy().in_front_of(&upstream).await;
    let mut client = proxy.connect().await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n";
    client.send(format!("{head}half")).await;
    upstream.wait_for_requests(1).await;
    terminate(&proxy).await;

    client.send("half").await;
    let answer = client.read_response().await;
    answer.expect_body(ALPHABET).usually(CUT);

    expect_exit(&proxy).await;
    upstream.last_request().expect_body("halfhalf");
}

#[tokio::test]
async fn leaves_when_a_large_body_was_read_slowly() {
    let body = vec![b'x'; 8 << 20];
    let upstream = Upstream::always(Reply::text(200, body.clone())).await;
    let proxy = proxy().in_front_of(&upstream).await;
    // Nothing of the body is read before the drain: most of it is still in the proxy, or before it.
    let answer = proxy.get("/").start().await;
    terminate(&proxy).await;

    answer.finish().await.expect_body(body).usually(CUT);

    expect_exit(&proxy).await;
}

#[tokio::test]
async fn leaves_when_a_client_has_given_up() {
    let upstream = Upstream::silent().await;
    let proxy = proxy().in_front_of(&upstream).await;
    let mut client = proxy.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    upstream.wait_for_requests(1).await;
    terminate(&proxy).await;

    drop(client);

    proxy
        .wait_for_exit()
        .usually(NOT_GIVEN_BACK)
        .await
        .expect_code(0);
}

#[tokio::test]
async fn a_request_that_ended_before_does_not_hold_the_process() {
    let upstream = Upstream::script([
        Reply::text(200, "whole"),
        Reply::truncated(1_000, "half"),
        Reply::close(),
    ])
    .await;
    let proxy = proxy().in_front_of(&upstream).await;
    proxy.get("/").send().await.expect_status(200);
    proxy.get("/").send().await.expect_cut_short();
    proxy.post("/").body("x").send().await.expect_status(502);

    proxy.signal(Signal::SIGTERM);

    proxy
        .wait_for_exit()
        .usually(NOT_GIVEN_BACK)
        .await
        .expect_code(0);
}

#[tokio::test]
async fn an_answer_during_the_drain_says_that_the_connection_closes() {
    let upstream = Upstream::always(Reply::text(200, "late").gate()).await;
    let proxy = proxy().in_front_of(&upstream).await;
    let mut client = proxy.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    upstream.wait_for_requests(1).await;
    terminate(&proxy).await;

    upstream.release();

    let answer = client.read_response().await;
    answer.expect_body("late");
    answer.expect_list("connection", ["close"]).usually(
        "Pingora looks at the shutdown when a request begins, and this one had begun; a Connection header of yours it \
         writes over, set_keepalive(None) it obeys",
    );
}

#[tokio::test]
async fn an_open_websocket_is_in_flight_until_it_closes() {
    let switched =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let upstream = Upstream::always(Reply::raw(switched)).await;
    let proxy = proxy().in_front_of(&upstream).await;
    let mut client = proxy.connect().await;
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    client.send(request).await;
    let head = client.read_some().await;
    proxy.expect(head.starts_with(b"HTTP/1.1 101"), "the switch to WebSocket");
    terminate(&proxy).await;

    for letter in ALPHABET.chars() {
        tokio::time::sleep(PAUSE).await;
        client.send(letter.to_string()).await;
    }
    soon("what is sent on the WebSocket arrives", async || {
        upstream.bytes(0).ends_with(ALPHABET.as_bytes())
    })
    .usually("a WebSocket is one long request: it is in flight until it closes, or until the limit")
    .await;
    drop(client);

    expect_exit(&proxy).await;
}

#[tokio::test]
async fn what_is_idle_is_closed_while_a_download_goes_on() {
    let upstream = Upstream::script([Reply::text(200, "before"), slow()]).await;
    let proxy = proxy().in_front_of(&upstream).await;
    let idle = proxy.client().await;
    idle.get("/").send().await.expect_status(200);
    let mut answer = proxy.get("/").start().await;
    answer.expect_piece("a").await;
    terminate(&proxy).await;

    expect_closed(&idle).await;

    answer.finish().await.expect_body(ALPHABET).usually(CUT);
}

mod given {
    use super::*;

    #[tokio::test]
    async fn leaves_at_once_if_nothing_is_in_flight() {
        let upstream = Upstream::echo().await;
        let proxy = proxy().in_front_of(&upstream).await;
        let client = proxy.client().await;
        client.get("/").send().await.expect_status(200);

        proxy.signal(Signal::SIGTERM);

        expect_exit(&proxy).await;
    }

    #[tokio::test]
    async fn a_second_signal_ends_it_at_once() {
        let upstream = Upstream::always(Reply::pieces(["one", "two"])).await;
        let proxy = proxy().in_front_of(&upstream).await;
        let mut answer = proxy.get("/").start().await;
        answer.expect_piece("one").await;
        terminate(&proxy).await;

        proxy.signal(Signal::SIGTERM);

        proxy
            .wait_for_exit()
            .usually(
                "Pingora waits for one signal only: whoever sends another one does not want to wait",
            )
            .await;
        answer.finish().await.expect_cut_short();
    }

    #[tokio::test]
    async fn at_the_limit_it_leaves_whatever_is_in_flight() {
        let upstream = Upstream::always(Reply::pieces(["one", "two"])).await;
        let proxy = proxy().env("DRAIN_MS", 300).in_front_of(&upstream).await;
        let mut answer = proxy.get("/").start().await;
        answer.expect_piece("one").await;

        proxy.signal(Signal::SIGTERM);

        proxy
            .wait_for_exit()
            .usually(
                "a client that does not read would hold the process for ever: there is a limit",
            )
            .await
            .expect_code(0);
        answer.finish().await.expect_cut_short();
    }

    #[tokio::test]
    async fn connections_are_kept_alive_before_the_signal() {
        let upstream = Upstream::echo().await;
        let proxy = proxy().in_front_of(&upstream).await;
        let client = proxy.client().await;
        for _ in 0..3 {
            client.get("/").send().await.expect_status(200);
        }
        client.expect_open().await;
    }

    #[tokio::test]
    async fn an_interrupt_ends_it_at_once() {
        let upstream = Upstream::always(Reply::pieces(["one", "two"])).await;
        let proxy = proxy().in_front_of(&upstream).await;
        let mut answer = proxy.get("/").start().await;
        answer.expect_piece("one").await;

        proxy.signal(Signal::SIGINT);

        proxy.wait_for_exit().await;
        answer.finish().await.expect_cut_short();
    }

    #[tokio::test]
    async fn a_limit_that_cannot_be_read_is_refused() {
        let ended = proxy().env("DRAIN_MS", "soon").run_to_end().await;
        ended.expect_code(2);
        ended.expect_stderr_contains("DRAIN_MS");
    }
}
