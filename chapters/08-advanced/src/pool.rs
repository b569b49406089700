//! Whose turn it is, and how long each wait for it may take. Chapter 04 has better ways to choose.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use pingora::{Error, ErrorType::HTTPStatus, Result, prelude::HttpPeer};

use crate::settings::UpstreamLimits;

/// How often a request may be sent.
const TRIES: usize = 3;

pub(crate) struct Pool {
    upstreams: Vec<SocketAddr>,
    turn: AtomicUsize,
    limits: UpstreamLimits,
}

impl Pool {
    pub(crate) fn new(upstreams: Vec<SocketAddr>, limits: UpstreamLimits) -> Self {
        Self {
            upstreams,
            turn: AtomicUsize::new(0),
            limits,
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

    /// `silence` is how long it may send nothing; what a request needs, if not the usual.
    pub(crate) fn peer(&self, upstream: SocketAddr, silence: Option<Duration>) -> HttpPeer {
        // An address, never a name: HttpPeer resolves names by blocking, and panics where that fails.
        let mut peer = HttpPeer::new(upstream, false, String::new());
        peer.options.connection_timeout = Some(self.limits.connect);
        peer.options.total_connection_timeout = Some(self.limits.connect);
        peer.options.read_timeout = Some(silence.unwrap_or(self.limits.read));
        peer.options.write_timeout = Some(self.limits.write);
        // Shorter than the upstream's own, or a request meets a connection that it has just closed.
        peer.options.idle_timeout = Some(Duration::from_secs(60));
        peer
    }
}
