//! What is known of one request.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use crate::{metrics::InFlight, routes, spans::Spans, stopwatch::Stopwatch};

pub(crate) struct Ctx {
    pub(crate) started: Instant,
    /// Given back when this is dropped, whatever came of the request.
    pub(crate) _in_flight: InFlight,
    pub(crate) route: &'static str,
    /// None if it is not a registered one.
    pub(crate) method: Option<&'static str>,
    /// Whether the proxy answered by itself.
    pub(crate) local: bool,
    pub(crate) spans: Spans,
    /// Runs while the proxy works, and not while it waits.
    pub(crate) own: Stopwatch,
    /// Where it was sent, in order.
    pub(crate) tried: Vec<SocketAddr>,
    /// Since when it waits for a connection.
    pub(crate) connecting: Option<Instant>,
    pub(crate) connect: Option<Duration>,
    pub(crate) reused: bool,
    /// When the last byte went to the upstream.
    pub(crate) asked: Option<Instant>,
    pub(crate) first_byte: Option<Duration>,
}

impl Ctx {
    pub(crate) fn new(in_flight: InFlight, spans: Spans) -> Self {
        let started = Instant::now();
        Self {
            started,
            _in_flight: in_flight,
            route: routes::OTHER,
            method: None,
            local: false,
            spans,
            own: Stopwatch::started(started),
            tried: Vec::new(),
            connecting: None,
            connect: None,
            reused: false,
            asked: None,
            first_byte: None,
        }
    }

    /// It waits for a connection to this upstream now. What the try before measured is void.
    pub(crate) fn next_try(&mut self, upstream: SocketAddr) {
        let resend = self.tried.len();
        let method = self.method.unwrap_or(crate::spans::OTHER_METHOD);
        self.spans.begin_try(method, upstream, resend);
        self.tried.push(upstream);
        self.connecting = Some(Instant::now());
        (self.connect, self.asked, self.first_byte) = (None, None, None);
        self.own.pause();
    }

    pub(crate) fn connected(&mut self, reused: bool) -> Duration {
        let since = self.connecting.take();
        let took = since.map_or(Duration::ZERO, |it| it.elapsed());
        self.connect = Some(took);
        self.reused = reused;
        self.spans.connected(reused);
        self.own.resume();
        took
    }

    /// The head of the answer is there. After a 1xx another will come.
    pub(crate) fn answered(&mut self, status: u16) {
        self.own.resume();
        if status >= 200 || status == 101 {
            self.spans.answered(status);
            self.first_byte = self.asked.map(|it| it.elapsed());
        }
    }
}
