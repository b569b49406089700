//! The same over HTTP/2, where a request has no lines and no chunks, and what it says is turned into lines for the
//! upstream.

use lab::{Certificates, Proxy, Upstream, eventually, expect};

use crate::{
    demo, edge,
    frames::{Ending, Frames},
    setup::tls,
};

const PROTOCOL_ERROR: u32 = 1;

const GET: [(&str, &str); 4] = [
    (":method", "GET"),
    (":scheme", "https"),
    (":authority", "one.test"),
    (":path", "/a"),
];

async fn frames(proxy: &Proxy, certificates: &Certificates) -> Frames {
    let tls = tls(certificates).alpn(["h2"]);
    Frames::begin(proxy.port("LISTEN_TLS").tls(tls).stream().await).await
}

fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [GET.as_slice(), more].concat()
}

#[tokio::test]
async fn a_request_by_hand_is_answered() {
    let (certificates, upstream, proxy) = edge().await;
    let mut client = frames(&proxy, &certificates).await;
    client.request(1, &GET, true).await;
    expect(client.ending(1).await == Ending::Status(200), "200");
    upstream.expect_requests(1);
    upstream.last_request().expect_header("host", "one.test");
}

#[tokio::test]
async fn fields_of_a_connection_and_forged_lines_reset_the_stream() {
    let (certificates, upstream, proxy) = edge().await;
    for field in [
        ("connection", "close"),
        ("transfer-encoding", "chunked"),
        ("keep-alive", "3"),
        ("upgrade", "h2c"),
        ("proxy-connection", "close"),
        ("te", "gzip"),
        ("X-A", "b"),
        ("x-a", "b\r\nx-b: c"),
        ("x-a\r\nx-b", "c"),
        (":path", "/b"),
        (":status", "200"),
    ] {
        let mut client = frames(&proxy, &certificates).await;
        client.request(1, &with(&[field]), true).await;
        let ending = client.ending(1).await;
        expect(
            matches!(
                ending,
                Ending::Reset(_) | Ending::Status(400) | Ending::Closed
            ),
            format!("{field:?} is refused, not {ending:?}"),
        );
    }
    upstream.expect_no_request();
}

#[tokio::test]
async fn a_request_is_for_one_host() {
    let (certificates, upstream, proxy) = edge().await;
    let no_host = [(":method", "GET"), (":scheme", "https"), (":path", "/a")];
    let user = [no_host.as_slice(), &[(":authority", "me@one.test")]].concat();
    for fields in [no_host.to_vec(), user, with(&[("host", "two.test")])] {
        let mut client = frames(&proxy, &certificates).await;
        client.request(1, &fields, true).await;
        let ending = client.ending(1).await;
        expect(
            matches!(ending, Ending::Reset(_) | Ending::Status(400)),
            format!("{fields:?} is refused, not {ending:?}"),
        );
    }
    upstream.expect_no_request();
}

/// What the length says and what comes must agree: in HTTP/1.1, for the upstream, the rest would be another request.
#[tokio::test]
async fn a_length_that_lies_makes_no_second_request() {
    let (certificates, upstream, proxy) = edge().await;
    for (length, body) in [
        ("0", "GET /smuggled HTTP/1.1\r\n\r\n"),
        ("50", "short"),
        ("3, 3", "abc"),
    ] {
        let mut client = frames(&proxy, &certificates).await;
        client
            .request(1, &with(&[("content-length", length)]), false)
            .await;
        client.data(1, body.as_bytes(), true).await;
        let ending = client.ending(1).await;
        expect(
            matches!(ending, Ending::Reset(PROTOCOL_ERROR) | Ending::Status(400)),
            format!("a length of {length} is refused, not {ending:?}"),
        );
    }
    // With a length of 0 the header alone is a whole request, and it is on its way when the lie shows.
    for request in upstream.requests() {
        request.expect_target("/a");
        expect(
            !request.complete || request.body.is_empty(),
            "no body that is not as long as its length says",
        );
    }
    let bytes = upstream.bytes(0);
    let text = String::from_utf8_lossy(&bytes);
    expect(!text.contains("smuggled"), "nothing of the rest");
}

#[tokio::test]
async fn many_and_long_fields_are_refused() {
    let (certificates, upstream, proxy) = edge().await;
    let long = "a".repeat(15_000);
    let long = [("x-a", long.as_str())];
    let names: Vec<String> = (0..101).map(|it| format!("x-{it}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|it| (it.as_str(), "b")).collect();
    let mut client = frames(&proxy, &certificates).await;
    client.request(1, &with(&many), true).await;
    let ending = client.ending(1).await;
    expect(
        ending == Ending::Status(431),
        format!("431, not {ending:?}"),
    );
    // Longer ones need a second frame (RFC 9113, section 6.10), and HEADER_LIMIT holds for them as well.
    let mut client = frames(&proxy, &certificates).await;
    client.request(1, &with(&long), true).await;
    expect(client.ending(1).await == Ending::Status(200), "200");
    upstream.expect_requests(1);
}

/// The rest of the body is not wanted, and the stream is reset without an error (RFC 9113, section 8.1). Old versions of
/// curl take that for a failure and do not show the answer.
#[tokio::test]
async fn a_body_that_is_too_long_is_told() {
    let certificates = Certificates::new();
    let upstream = Upstream::echo().await;
    let proxy = demo(&certificates)
        .env("BODY_LIMIT", 100)
        .in_front_of(&upstream)
        .await;
    for length in [Some("101"), None] {
        let mut client = frames(&proxy, &certificates).await;
        let declared = length.map(|it| ("content-length", it));
        let fields = with(declared.as_slice());
        client.request(1, &fields, false).await;
        if declared.is_none() {
            client.data(1, &[b'a'; 101], false).await;
        }
        let ending = client.ending(1).await;
        expect(
            ending == Ending::Status(413),
            format!("413, not {ending:?}"),
        );
    }
    let complete = upstream.requests().iter().filter(|it| it.complete).count();
    expect(complete == 0, "no whole request for the upstream");
}

/// Each refusal is work. Pingora counts them for each connection, whatever comes in between.
#[tokio::test]
async fn a_connection_of_nothing_but_refused_streams_ends() {
    let (certificates, upstream, proxy) = edge().await;
    let mut client = frames(&proxy, &certificates).await;
    let mut refused = 0;
    for id in (1..200).step_by(2) {
        client
            .request(id, &with(&[("host", "two.test")]), true)
            .await;
        if client.ending(id).await == Ending::Closed {
            break;
        }
        refused += 1;
    }
    expect(
        (1..=40).contains(&refused),
        format!("32 refused, more or less, not {refused}"),
    );
    upstream.expect_no_request();
}

/// HTTP/2 has no time-out for a body that does not come: the upstream's patience ends it.
#[tokio::test]
async fn a_body_that_does_not_come_has_an_end() {
    let certificates = Certificates::new();
    let upstream = Upstream::echo().await;
    let proxy = demo(&certificates)
        .env("CLIENT_TIMEOUT_MS", 300)
        .env("READ_TIMEOUT_MS", 300)
        .in_front_of(&upstream)
        .await;
    let mut client = frames(&proxy, &certificates).await;
    let post = [(":method", "POST"), GET[1], GET[2], GET[3]];
    client.request(1, &post, false).await;
    client.data(1, b"abc", false).await;
    let ending = client.ending(1).await;
    expect(
        matches!(ending, Ending::Status(408 | 504)),
        format!("408 or 504, not {ending:?}"),
    );
    eventually("the upstream is rid of it too", async || {
        upstream.open_connections() == 0
    })
    .await;
}
