//! The security checklist of chapter 08, executed: each line of the page's table is a test here.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

#[path = "security/checklist.rs"]
mod checklist;
#[path = "security/frames.rs"]
mod frames;
#[path = "security/framing.rs"]
mod framing;
#[path = "security/headers.rs"]
mod headers;
#[path = "security/http2.rs"]
mod http2;
#[path = "demo/setup.rs"]
mod setup;
#[path = "security/sizes.rs"]
mod sizes;
#[path = "security/slow.rs"]
mod slow;
#[path = "security/upstreams.rs"]
mod upstreams;

use lab::{Certificates, Proxy, Upstream, Wire};

use setup::{demo, https};

/// A connection over TLS, byte by byte.
async fn wire(proxy: &Proxy, certificates: &Certificates) -> Wire {
    https(proxy, certificates).connect().await
}

/// The demo in front of one echo server.
async fn edge() -> (Certificates, Upstream, Proxy) {
    let certificates = Certificates::new();
    let upstream = Upstream::echo().await;
    let proxy = demo(&certificates).in_front_of(&upstream).await;
    (certificates, upstream, proxy)
}
