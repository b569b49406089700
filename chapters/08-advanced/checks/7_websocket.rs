//! 8.7 A WebSocket passes, lives as long as either side talks, and ends when both were silent for `IDLE_MS`.

use lab::{Proxy, ProxyBuilder, Reply, Upstream, eventually, expect, soon};
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

#[path = "support/websocket.rs"]
mod websocket;
use websocket::{BEFORE_THE_ANSWER, Client, HANDSHAKE, OFTEN, Peer, header};

const EXERCISE: &str = "8-7";

/// No check lasts so long.
const LONG: u32 = 3_600_000;
/// Shorter than the silence in a check, longer than it takes to say something on a busy machine.
const SHORT: u32 = 1_500;

const HALF_AN_UPLOAD: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf";

const CUT_BY_UPSTREAM: &str =
    "the limit for a silent upstream is taken from the peer: for a WebSocket it must be IDLE_MS";
const CUT_BY_CLIENT: &str = "the client's side has a limit too (session.set_read_timeout, 60 s by itself): after the 101 it must be IDLE_MS";
const NOT_CUT: &str = "IDLE_MS limits the silence of a WebSocket on both sides; idle_timeout is for connections that wait in the pool, and keepalive for the time between two requests";

/// Every limit is far away, unless a check sets it.
fn proxy() -> ProxyBuilder {
    Proxy::of(EXERCISE)
        .env("READ_TIMEOUT_MS", LONG)
        .env("CLIENT_TIMEOUT_MS", LONG)
        .env("IDLE_MS", LONG)
}

async fn start(builder: ProxyBuilder, peer: &Peer) -> Proxy {
    builder.env("UPSTREAMS", peer.address).alone().await
}

/// Expects that a message of the client reaches the upstream, and one of the upstream the client.
async fn expect_alive(proxy: &Proxy, client: &mut Client, peer: &Peer, usually: &str) {
    client.send(Message::text("still there?")).await;
    let arrived = peer.gets(0, Message::text("still there?")).await;
    proxy
        .expect(arrived, "a message of the client at the upstream")
        .usually(usually);
    peer.send(0, Message::text("yes"));
    let answer = client.next().await;
    proxy
        .expect(
            answer == Some(Message::text("yes")),
            format!("the upstream's message at the client: found {answer:?}"),
        )
        .usually(usually);
}

#[tokio::test]
async fn outlives_the_limit_for_an_answer() {
    let peer = Peer::start().await;
    let proxy = start(proxy().env("READ_TIMEOUT_MS", 300), &peer).await;
    let mut quiet = Client::open(&proxy).await;

    // The same limit, and more, runs out for a request that began later.
    let silent = Upstream::silent().await;
    let other = self::proxy()
        .env("READ_TIMEOUT_MS", 600)
        .in_front_of(&silent)
        .await;
    other.get("/").send().await.expect_status(504);

    expect_alive(&proxy, &mut quiet, &peer, CUT_BY_UPSTREAM).await;
}

#[tokio::test]
async fn outlives_the_limit_for_an_upload() {
    let peer = Peer::start().await;
    let proxy = start(proxy().env("CLIENT_TIMEOUT_MS", 300), &peer).await;
    let mut quiet = Client::open(&proxy).await;

    // The same limit, and more, runs out for an upload that began later.
    let silent = Upstream::silent().await;
    let other = self::proxy()
        .env("CLIENT_TIMEOUT_MS", 600)
        .in_front_of(&silent)
        .await;
    let mut upload = other.connect().await;
    upload.send(HALF_AN_UPLOAD).await;
    upload.read_to_end().await;

    expect_alive(&proxy, &mut quiet, &peer, CUT_BY_CLIENT).await;
}

#[tokio::test]
async fn ends_on_both_sides_when_both_are_silent() {
    let peer = Peer::start().await;
    let proxy = start(proxy().env("IDLE_MS", 300), &peer).await;
    let client = Client::open(&proxy).await;

    let client_ended = tokio::spawn(client.ended());
    soon("the end of the WebSocket at the client", async || {
        client_ended.is_finished()
    })
    .usually(NOT_CUT)
    .await;
    soon("the end of the WebSocket at the upstream", async || {
        peer.seen(0, |it| it.closed)
    })
    .usually(NOT_CUT)
    .await;
}

#[tokio::test]
async fn lives_on_while_only_the_upstream_talks() {
    let peer = Peer::start().await;
    let proxy = start(proxy().env("IDLE_MS", SHORT), &peer).await;
    let mut listener = Client::open(&proxy).await;
    let silent = tokio::spawn(Client::open(&proxy).await.ended());

    let mut heard = 0;
    while !silent.is_finished() {
        peer.send(0, Message::text("news"));
        if listener.next().await != Some(Message::text("news")) {
            break;
        }
        heard += 1;
        sleep(OFTEN).await;
        expect(heard < 100, "the end of a WebSocket on which nobody talks").usually(NOT_CUT);
    }

    expect_alive(&proxy, &mut listener, &peer, CUT_BY_CLIENT).await;
}

#[tokio::test]
async fn lives_on_while_only_the_client_talks() {
    let peer = Peer::start().await;
    let proxy = start(proxy().env("IDLE_MS", SHORT), &peer).await;
    let mut talker = Client::open(&proxy).await;
    let silent = tokio::spawn(Client::open(&proxy).await.ended());

    let mut said = 0;
    while !silent.is_finished() && talker.send(Message::text("news")).await {
        said += 1;
        sleep(OFTEN).await;
        expect(said < 100, "the end of a WebSocket on which nobody talks").usually(NOT_CUT);
    }

    expect_alive(&proxy, &mut talker, &peer, CUT_BY_UPSTREAM).await;
}

#[tokio::test]
async fn a_handshake_that_nobody_answers_is_given_up() {
    let upstream = Upstream::silent().await;
    let proxy = proxy().env("IDLE_MS", 300).in_front_of(&upstream).await;

    // The name of the protocol has no case (RFC 6455, section 4.2.1).
    for handshake in [HANDSHAKE, &HANDSHAKE.replace(": websocket", ": WebSocket")] {
        let mut client = proxy.connect().await;
        client.send(handshake).await;
        let answer = client.must_be_answered().await;
        answer.expect_status(504).usually(
            "for a handshake, too, an upstream that says nothing is waited for; IDLE_MS is the most that it may take",
        );
    }
}

mod given {
    use super::*;

    #[tokio::test]
    async fn a_plain_request_keeps_its_limit() {
        let upstream = Upstream::silent().await;
        let proxy = proxy()
            .env("READ_TIMEOUT_MS", 300)
            .in_front_of(&upstream)
            .await;

        let answer = proxy.get("/ws").must_be_answered().await;

        answer.expect_status(504);
    }

    #[tokio::test]
    async fn a_request_for_another_protocol_keeps_its_limit() {
        let upstream = Upstream::silent().await;
        let proxy = proxy()
            .env("READ_TIMEOUT_MS", 300)
            .in_front_of(&upstream)
            .await;

        for protocol in ["TLS/1.0", "x-websocket", "websocket2"] {
            let request = proxy.get("/ws").header("connection", "upgrade");
            let answer = request.header("upgrade", protocol).must_be_answered().await;

            answer.expect_status(504).usually(
                "session.is_upgrade_req() holds for any protocol; Pingora lets only websocket through",
            );
        }
    }

    #[tokio::test]
    async fn an_upload_keeps_its_limit() {
        expect_a_stopped_upload_to_end(&Upstream::silent().await).await;
    }

    #[tokio::test]
    async fn an_upload_keeps_its_limit_once_its_answer_has_begun() {
        let upstream = Upstream::always(Reply::pieces(["one", "two"]).early()).await;
        expect_a_stopped_upload_to_end(&upstream).await;
        upstream.expect_requests(1);
    }

    async fn expect_a_stopped_upload_to_end(upstream: &Upstream) {
        let proxy = proxy()
            .env("CLIENT_TIMEOUT_MS", 300)
            .in_front_of(upstream)
            .await;
        let mut client = proxy.connect().await;
        client.send(HALF_AN_UPLOAD).await;

        let ended = tokio::spawn(async move { client.read_to_end().await });

        soon("the end of an upload that has stopped", async || {
            ended.is_finished()
        })
        .usually("the limit of a client's upload is IDLE_MS only after the 101 of a WebSocket")
        .await;
    }

    #[tokio::test]
    async fn the_handshake_passes_in_both_directions() {
        let peer = Peer::start().await;
        let proxy = start(proxy(), &peer).await;

        let client = Client::open(&proxy).await;

        let accept = header(&client.head, "sec-websocket-accept");
        expect(
            accept == Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            "the accept of RFC 6455, section 1.3, at the client",
        );
        let protocol = header(&client.head, "sec-websocket-protocol");
        expect(protocol == Some("chat"), "the subprotocol at the client");
        let head = peer.seen(0, |it| it.head.clone());
        for (name, value) in [
            ("sec-websocket-version", "13"),
            ("sec-websocket-protocol", "chat, other"),
            ("upgrade", "websocket"),
        ] {
            let found = header(&head, name);
            expect(
                found == Some(value),
                format!("{name}: {value} at the upstream: found {found:?}"),
            );
        }
    }

    #[tokio::test]
    async fn a_greeting_right_behind_the_handshake_passes() {
        let switch =
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        let greeting = switch.to_owned() + "\u{1}\u{5}hello";
        let reply = Reply::raw(greeting).after(BEFORE_THE_ANSWER);
        let upstream = Upstream::always(reply).await;
        let proxy = proxy().in_front_of(&upstream).await;
        let mut client = proxy.connect().await;
        client.send(HANDSHAKE).await;

        let mut got = Vec::new();
        while !got.ends_with(b"hello") {
            let piece = client.read_some().await;
            if piece.is_empty() {
                break;
            }
            got.extend_from_slice(&piece);
        }

        proxy.expect(
            got.starts_with(b"HTTP/1.1 101 ") && got.ends_with(b"\r\n\r\n\x01\x05hello"),
            "the upstream's first frame behind its 101",
        );
    }

    #[tokio::test]
    async fn messages_of_every_kind_pass() {
        let peer = Peer::start().await;
        let proxy = start(proxy(), &peer).await;
        let mut client = Client::open(&proxy).await;
        let large = Message::binary(vec![7; 200_000]);
        let messages = [Message::text("grüße"), large, Message::Ping("p".into())];

        for message in &messages {
            client.send(message.clone()).await;
        }
        client.send_in_two("in two ", "frames").await;

        let mut wanted = messages.to_vec();
        wanted.push(Message::text("in two frames"));
        eventually("four messages at the upstream", async || {
            peer.seen(0, |it| it.messages == wanted)
        })
        .await;
        let pong = client.next().await;
        expect(
            pong == Some(Message::Pong("p".into())),
            "a pong at the client",
        );
        for message in &messages[..2] {
            peer.send(0, message.clone());
            let got = client.next().await;
            expect(
                got.as_ref() == Some(message),
                "the upstream's message at the client",
            );
        }
    }

    #[tokio::test]
    async fn closing_says_why() {
        let peer = Peer::start().await;
        let proxy = start(proxy(), &peer).await;
        let reason = |code| CloseFrame {
            code,
            reason: "enough".into(),
        };
        let mut client = Client::open(&proxy).await;
        client.close(reason(CloseCode::Policy)).await;
        eventually("the client's close frame at the upstream", async || {
            let wanted = Message::Close(Some(reason(CloseCode::Policy)));
            peer.seen(0, |it| it.messages.contains(&wanted) && it.closed)
        })
        .await;

        let mut client = Client::open(&proxy).await;
        peer.send(1, Message::Close(Some(reason(CloseCode::Away))));
        let got = client.next().await;
        expect(
            got == Some(Message::Close(Some(reason(CloseCode::Away)))),
            format!("the upstream's close frame at the client: found {got:?}"),
        );
    }

    #[tokio::test]
    async fn a_client_that_leaves_is_missed_at_the_upstream() {
        let peer = Peer::start().await;
        let proxy = start(proxy(), &peer).await;
        let client = Client::open(&proxy).await;

        drop(client);

        eventually("the end of the WebSocket at the upstream", async || {
            peer.seen(0, |it| it.closed)
        })
        .await;
    }

    #[tokio::test]
    async fn a_refusal_is_an_answer_like_others() {
        let refusal = Reply::text(403, "members only").header("x-reason", "origin");
        let upstream = Upstream::always(refusal).await;
        let proxy = proxy().in_front_of(&upstream).await;
        let mut client = proxy.connect().await;
        client.send(HANDSHAKE).await;

        let answer = client.read_response().await;

        answer.expect_status(403).expect_body("members only");
        answer.expect_header("x-reason", "origin");
    }

    #[tokio::test]
    async fn a_setting_that_cannot_be_read_is_refused() {
        let ended = proxy().env("IDLE_MS", "0").run_to_end().await;
        ended.expect_code(2);
        ended.expect_stderr_contains("IDLE_MS");
    }
}
