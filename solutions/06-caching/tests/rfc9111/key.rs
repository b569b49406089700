//! RFC 9111, section 2: the cache key.

use super::*;

/// Host and target.
type Address = (&'static str, &'static str);

/// Asked for one after the other: which of them the upstream saw.
async fn seen_upstream(addresses: &[Address]) -> Vec<Address> {
    let (upstream, proxy) = demo([fresh()]).await;
    let mut seen = Vec::new();
    for (host, target) in addresses {
        let before = upstream.requests().len();
        let mut wire = proxy.connect().await;
        wire.send(format!(
            "GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        ))
        .await;
        wire.read_response().await.expect_status(200);
        if upstream.requests().len() > before {
            seen.push((*host, *target));
        }
    }
    seen
}

/// No two of them share what is stored.
async fn expect_apart(addresses: &[Address]) {
    let seen = seen_upstream(addresses).await;
    lab::expect(
        seen == addresses,
        format!("each of {addresses:?} is asked for upstream, not only {seen:?}"),
    );
}

#[tokio::test]
async fn spellings_of_one_address_share() {
    let seen = seen_upstream(&[
        ("example.com", "/a?b"),
        ("EXAMPLE.com", "/a?b"),
        ("example.com:80", "/a?b"),
        ("example.com", "http://example.com/a?b"),
        ("example.com:80", "http://example.com:80/a?b"),
    ])
    .await;
    lab::expect(
        seen == [("example.com", "/a?b")],
        format!("only the first is asked for upstream, not {seen:?}"),
    );
}

#[tokio::test]
async fn other_addresses_do_not_share() {
    expect_apart(&[
        ("example.com", "/a?b"),
        ("example.com", "/a"),
        ("example.com", "/a?"),
        ("example.com", "/A?b"),
        ("example.com", "/a?B"),
        ("example.com", "/a%3fb"),
        ("example.com", "/a/?b"),
        ("example.com", "//a?b"),
        ("example.com", "/a?b&c"),
        ("example.org", "/a?b"),
        ("example.com:81", "/a?b"),
        ("www.example.com", "/a?b"),
    ])
    .await;
}

#[tokio::test]
async fn parts_of_an_address_do_not_run_into_each_other() {
    expect_apart(&[
        ("example.co", "/m/a"),
        ("example.com", "/a"),
        ("a", "/b?c"),
        ("a", "/b/?c"),
        ("a", "/b?x=1&y=2"),
        ("a", "/b?x=1%26y=2"),
    ])
    .await;
}
