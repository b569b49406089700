//! RFC 9111, section 2: the cache key.

use super::*;

/// Asked for one and then the other. Whether the second was answered from the store.
async fn is_same(one: (&str, &str), two: (&str, &str)) -> bool {
    let (upstream, proxy) = demo([fresh()]).await;
    for (host, target) in [one, two] {
        let mut wire = proxy.connect().await;
        wire.send(format!(
            "GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        ))
        .await;
        wire.read_response().await.expect_status(200);
    }
    upstream.requests().len() == 1
}

#[tokio::test]
async fn spellings_of_one_address_share() {
    for two in [
        ("EXAMPLE.com", "/a?b"),
        ("example.com:80", "/a?b"),
        ("example.com", "http://example.com/a?b"),
        ("example.com:80", "http://example.com:80/a?b"),
    ] {
        let same = is_same(("example.com", "/a?b"), two).await;
        lab::expect(same, format!("{two:?} is the same"));
    }
}

#[tokio::test]
async fn other_addresses_do_not_share() {
    for two in [
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
    ] {
        let same = is_same(("example.com", "/a?b"), two).await;
        lab::expect(!same, format!("{two:?} is another"));
    }
}

#[tokio::test]
async fn parts_of_an_address_do_not_run_into_each_other() {
    for (one, two) in [
        (("example.co", "/m/a"), ("example.com", "/a")),
        (("a", "/b?c"), ("a", "/b/?c")),
        (("a", "/b?x=1&y=2"), ("a", "/b?x=1%26y=2")),
    ] {
        lab::expect(
            !is_same(one, two).await,
            format!("{one:?} and {two:?} are two"),
        );
    }
}
