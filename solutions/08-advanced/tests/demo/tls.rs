//! What a handshake agrees on.

use lab::{Certificates, Proxy, TlsVersion, Upstream, expect};

use crate::setup::{demo, tls};

async fn edge() -> (Certificates, Upstream, Proxy) {
    let certificates = Certificates::new();
    let upstream = Upstream::echo().await;
    let proxy = demo(&certificates).in_front_of(&upstream).await;
    (certificates, upstream, proxy)
}

#[tokio::test]
async fn both_protocols_are_there_and_http2_first() {
    let (certificates, _upstream, proxy) = edge().await;
    let port = proxy.port("LISTEN_TLS");
    for (asked, agreed) in [
        (["http/1.1", "h2"], "h2"),
        (["h3", "http/1.1"], "http/1.1"),
        (["h2", "spdy/3"], "h2"),
    ] {
        let target = port.tls(tls(&certificates).alpn(asked));
        target.handshake().await.expect_alpn(agreed);
    }
    // RFC 7301, section 3.2.
    let target = port.tls(tls(&certificates).alpn(["h3"]));
    target.handshake().await.expect_refused();
    let target = port.tls(tls(&certificates));
    let handshake = target.handshake().await;
    handshake.expect_agreed();
    expect(
        handshake.alpn().is_none(),
        "no protocol for who asks for none",
    );
    target.get("/").send().await.expect_status(200);
}

#[tokio::test]
async fn versions_are_1_2_and_1_3_and_sessions_are_resumed() {
    let (certificates, _upstream, proxy) = edge().await;
    for version in [TlsVersion::V1_2, TlsVersion::V1_3] {
        let target = proxy
            .port("LISTEN_TLS")
            .tls(tls(&certificates).version(version));
        target.handshake().await.expect_version(version);
        target.get("/").send().await.expect_status(200);
        target.handshake().await.expect_resumed();
    }
}

/// A client that knows nothing newer gets the alert `protocol_version` (RFC 8446, section 6.2).
#[tokio::test]
async fn older_versions_are_refused() {
    let (_certificates, _upstream, proxy) = edge().await;
    for minor in [1, 2] {
        let mut hello = vec![3, minor];
        hello.extend([7; 32]);
        // No session; ECDHE_ECDSA_WITH_AES_128_CBC_SHA; no compression; then 18 bytes of extensions.
        hello.extend([0, 0, 2, 0xc0, 0x09, 1, 0, 0, 18]);
        // The groups x25519 and P-256, and the signature ecdsa_secp256r1_sha256.
        hello.extend([0, 10, 0, 6, 0, 4, 0, 29, 0, 23]);
        hello.extend([0, 13, 0, 4, 0, 2, 4, 3]);
        let length = u8::try_from(hello.len()).expect("short");
        let message = [[1, 0, 0, length].as_slice(), &hello].concat();
        let record = [[22, 3, 1, 0, length + 4].as_slice(), &message].concat();
        let mut client = proxy.port("LISTEN_TLS").connect().await;
        client.send(record).await;
        let answer = client.read_to_end().await;
        expect(
            matches!(answer.as_slice(), [21, 3, _, 0, 2, 2, 70]),
            format!("the alert protocol_version, not {answer:?}"),
        );
    }
}

#[tokio::test]
async fn a_name_has_its_certificate_and_any_other_the_first() {
    let (certificates, _upstream, proxy) = edge().await;
    let port = proxy.port("LISTEN_TLS");
    let (one, two) = (
        certificates.certificate("one.test"),
        certificates.certificate("two.test"),
    );
    for (name, certificate) in [("one.test", &one), ("two.test", &two), ("localhost", &one)] {
        let tls = tls(&certificates).name(name);
        port.tls(tls)
            .handshake()
            .await
            .expect_certificate(certificate);
    }
    let tls = tls(&certificates).without_server_name();
    port.tls(tls).handshake().await.expect_certificate(&one);
}

#[tokio::test]
async fn a_port_does_not_speak_the_other_ones_language() {
    let (certificates, upstream, proxy) = edge().await;
    let mut client = proxy.port("LISTEN_TLS").connect().await;
    client
        .send("GET / HTTP/1.1\r\nHost: one.test\r\n\r\n")
        .await;
    let answer = client.read_to_end().await;
    expect(!answer.starts_with(b"HTTP"), "no HTTP without TLS");
    let target = proxy.tls(tls(&certificates));
    target.handshake().await.expect_refused();
    upstream.expect_no_request();
}
