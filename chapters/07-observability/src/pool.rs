//! Whose turn it is. Chapter 04 has better ways.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use pingora::{Error, ErrorType::HTTPStatus, Result, prelude::HttpPeer};

/// How often a request may be sent.
const TRIES: usize = 3;

pub(crate) struct Pool {
    upstreams: Vec<SocketAddr>,
    turn: AtomicUsize,
    connect_timeout: Duration,
    read_timeout: Duration,
}

impl Pool {
    pub(crate) fn new(
        upstreams: Vec<SocketAddr>,
        connect_timeout: Duration,
        read_timeout: Duration,
    ) -> Self {
        Self {
            upstreams,
            turn: AtomicUsize::new(0),
            connect_timeout,
            read_timeout,
        }
    }

    /// The next in turn that this request has not tried, or else the next.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn next(&self, tried: &[SocketAddr]) -> Result<SocketAddr> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let count = self.upstreams.len().max(1);
        let in_turn = || self.upstreams.iter().cycle().skip(turn % count).take(count);
        let fresh = in_turn().find(|it| !tried.contains(it));
        fresh
            .or_else(|| in_turn().next())
            .copied()
            .ok_or_else(|| Error::explain(HTTPStatus(503), "there is no upstream"))
    }

    /// Whether there is one that this request has not tried.
    pub(crate) fn has_more(&self, tried: &[SocketAddr]) -> bool {
        tried.len() < TRIES && self.upstreams.iter().any(|it| !tried.contains(it))
    }

    /// Where a request goes, and how long it may take on the way.
    pub(crate) fn peer(&self, upstream: SocketAddr) -> HttpPeer {
        let mut peer = HttpPeer::new(upstream, false, String::new());
        peer.options.connection_timeout = Some(self.connect_timeout);
        peer.options.total_connection_timeout = Some(self.connect_timeout);
        peer.options.read_timeout = Some(self.read_timeout);
        peer.options.write_timeout = Some(Duration::from_secs(10));
        peer.options.idle_timeout = Some(Duration::from_secs(60));
        peer
    }
}
