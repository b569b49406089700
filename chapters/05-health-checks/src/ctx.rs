//! What is known of one request.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use pingora_load_balancing::Backend;

use crate::{
    breaker::Pass,
    outlier::{Attempt, Outliers},
};

pub(crate) struct Ctx {
    pub(crate) id: String,
    pub(crate) started: Instant,
    /// It asks for the proxy's own health.
    pub(crate) own: bool,
    pub(crate) tries: usize,
    /// Where it was sent last.
    pub(crate) upstream: Option<SocketAddr>,
    /// Those that it was sent to in vain.
    pub(crate) failed: Vec<SocketAddr>,
    pub(crate) attempt: Option<Attempt>,
    pub(crate) pass: Option<Pass>,
    /// How long the breaker stays open, if it is.
    pub(crate) wait: Option<Duration>,
    /// What the upstream did wrong at the last try.
    pub(crate) blame: Option<String>,
    /// The whole request is on its way at the last try.
    pub(crate) sent_whole: bool,
}

impl Ctx {
    pub(crate) fn new() -> Self {
        Self {
            id: format!("{:032x}", rand::random::<u128>()),
            started: Instant::now(),
            own: false,
            tries: 0,
            upstream: None,
            failed: Vec::new(),
            attempt: None,
            pass: None,
            wait: None,
            blame: None,
            sent_whole: false,
        }
    }

    /// It goes to this backend now. What the last try left behind is gone: the body is sent again from its beginning.
    pub(crate) fn next_try(&mut self, backend: &Backend, outliers: &Outliers, now: Instant) {
        self.tries += 1;
        self.upstream = backend.addr.as_inet().copied();
        self.attempt = self.upstream.and_then(|it| outliers.attempt(it, now));
        self.blame = None;
        self.sent_whole = false;
    }
}
