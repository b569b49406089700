//! How an upstream is reached, and how long anything there may take.

use std::{net::SocketAddr, time::Duration};

use pingora::prelude::HttpPeer;

/// A peer whose every wait is bounded: Pingora's default is to wait without end.
pub(crate) fn at(upstream: SocketAddr) -> HttpPeer {
    let mut peer = HttpPeer::new(upstream, false, String::new());
    peer.options.connection_timeout = Some(Duration::from_secs(3));
    peer.options.total_connection_timeout = Some(Duration::from_secs(5));
    peer.options.read_timeout = Some(Duration::from_secs(10));
    peer.options.write_timeout = Some(Duration::from_secs(10));
    peer.options.idle_timeout = Some(Duration::from_secs(60));
    peer
}
