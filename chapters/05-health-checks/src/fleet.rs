//! The backends, and all that is known of them: whose turn it is, and whether a request that failed gets another.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use pingora::prelude::HttpPeer;
use pingora_load_balancing::{Backend, LoadBalancer, selection::RoundRobin};

use crate::{
    board::Board, breaker::Breaker, budget::RetryBudget, checks::Rounds, outlier::Outliers,
};

/// How far the search for a usable backend may go (pingora-load-balancing, selection/mod.rs, `UniqueIterator`).
const MAX_ITERATIONS: usize = 256;

pub(crate) struct Fleet {
    /// In the order in which they were named.
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) balancer: Arc<LoadBalancer<RoundRobin>>,
    pub(crate) rounds: Arc<Rounds>,
    pub(crate) board: Arc<Board>,
    pub(crate) outliers: Arc<Outliers>,
    pub(crate) budget: RetryBudget,
    pub(crate) breaker: Arc<Breaker>,
}

impl Fleet {
    /// The backend whose turn it is, of those that can be used and have not failed this request.
    pub(crate) fn choose(&self, failed: &[SocketAddr], now: Instant) -> Option<Backend> {
        let panicking = self.outliers.panicking(now);
        let left = |backend: &Backend, healthy: bool| {
            let address = backend.addr.as_inet().copied();
            // In panic what the checks say counts no more than what the answers said.
            address.filter(|address| (healthy || panicking) && !failed.contains(address))
        };
        let takes_turn = |backend: &Backend, healthy| {
            left(backend, healthy).is_some_and(|address| self.outliers.admits(address, now))
        };
        let can_be_used = |backend: &Backend, healthy| {
            left(backend, healthy).is_some_and(|address| self.outliers.is_in(address, now))
        };
        let search = &self.balancer;
        search
            .select_with(b"", MAX_ITERATIONS, takes_turn)
            .or_else(|| search.select_with(b"", MAX_ITERATIONS, can_be_used))
    }

    /// Whether there is a backend for another try. Nobody's turn is taken.
    pub(crate) fn has_another(&self, failed: &[SocketAddr], now: Instant) -> bool {
        let backends = self.balancer.backends();
        let panicking = self.outliers.panicking(now);
        backends.get_backend().iter().any(|backend| {
            let address = backend.addr.as_inet();
            (panicking || backends.ready(backend))
                && address.is_some_and(|it| !failed.contains(it) && self.outliers.is_in(*it, now))
        })
    }
}

/// Where a request goes, and how long it may take on the way.
pub(crate) fn peer(backend: Backend) -> HttpPeer {
    let mut peer = HttpPeer::new(backend, false, String::new());
    // Short: a backend that does not take connections in a second is better left for another.
    peer.options.connection_timeout = Some(Duration::from_secs(1));
    peer.options.total_connection_timeout = Some(Duration::from_secs(2));
    peer.options.read_timeout = Some(Duration::from_secs(10));
    peer.options.write_timeout = Some(Duration::from_secs(10));
    peer.options.idle_timeout = Some(Duration::from_secs(60));
    peer
}
