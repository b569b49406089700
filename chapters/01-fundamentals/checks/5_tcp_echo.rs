//! 1.5 What goes in on `LISTEN_TCP` comes back byte for byte, to the last one.

use lab::{Proxy, Upstream, expect};

const EXERCISE: &str = "1-5";

#[tokio::test]
async fn a_conversation_goes_on() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    let mut wire = proxy.port("LISTEN_TCP").connect().await;

    for message in ["one", "two", "three"] {
        wire.send(message).await;
        wire.expect_echo(message)
            .await
            .usually("one read is one piece; a connection has as many as the client likes to send");
    }
}

#[tokio::test]
async fn bytes_need_not_be_text() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    let mut wire = proxy.port("LISTEN_TCP").connect().await;

    let bytes = [0xff, 0xfe, 0x00, 0xc3, 0x28];
    wire.send(&bytes).await;
    wire.expect_echo(&bytes)
        .await
        .usually("TCP carries bytes; from_utf8_lossy replaces those that are not UTF-8");
}

#[tokio::test]
async fn after_a_half_close_the_rest_still_comes_back() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
    let mut wire = proxy.port("LISTEN_TCP").connect().await;

    // More than one read of 4 KiB, less than the kernel buffers: nobody has to read yet.
    let bytes: Vec<u8> = (0..20_000_u32).map(|n| (n % 251) as u8).collect();
    wire.send(&bytes).await;
    wire.finish().await;
    let back = wire.read_to_end().await;

    expect(
        back == bytes,
        format!(
            "the same {} bytes back after the client has finished sending, but {} came",
            bytes.len(),
            back.len()
        ),
    )
    .usually("read() gives 0 bytes when the client has finished sending; until then there is more");
}

mod given {
    use super::*;

    #[tokio::test]
    async fn one_short_message_comes_back() {
        let upstream = Upstream::echo().await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;
        let mut wire = proxy.port("LISTEN_TCP").connect().await;

        wire.send(b"hello").await;
        wire.expect_echo(b"hello").await;
    }

    #[tokio::test]
    async fn http_goes_on_beside_it() {
        let upstream = Upstream::echo().await;
        let proxy = Proxy::of(EXERCISE).in_front_of(&upstream).await;

        proxy.get("/").send().await.expect_status(200);
    }
}
