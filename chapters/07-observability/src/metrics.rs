//! What is counted and timed. All of it is there from the start: a counter that appears with its first failure has no
//! increase that an alert could see.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use pingora_prometheus::prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Result,
    core::{Collector, Desc},
    proto::MetricFamily,
    register,
};
use tracing_appender::non_blocking::ErrorCounter;

use crate::routes;

/// In seconds. A histogram answers exactly only at its bounds: one must lie where a question is asked, and the alert
/// EdgeSlow asks at 1 s.
const DURATIONS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
const CONNECTS: [f64; 11] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0,
];
const PROXY: [f64; 10] = [
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25,
];

pub(crate) struct Metrics {
    requests: IntCounterVec,
    duration: HistogramVec,
    in_flight: IntGauge,
    connect: Histogram,
    first_byte: HistogramVec,
    connections: IntCounterVec,
    proxy: Histogram,
    client_aborts: IntCounterVec,
    spans: IntCounterVec,
}

/// One request as the metrics see it.
pub(crate) struct Measured {
    pub(crate) route: &'static str,
    pub(crate) method: &'static str,
    pub(crate) status: Option<u16>,
    pub(crate) client_gone: bool,
    pub(crate) total: Duration,
    pub(crate) proxy: Duration,
    pub(crate) first_byte: Option<Duration>,
}

impl Metrics {
    /// # Errors
    /// A name is taken.
    pub(crate) fn register() -> Result<Self> {
        let metrics = Self {
            requests: counters(
                "edge_requests_total",
                "Requests that have ended.",
                &["route", "method", "status"],
            )?,
            duration: histograms(
                "edge_request_duration_seconds",
                "From the head of a request to the end of its answer.",
                &DURATIONS,
                &["route", "status"],
            )?,
            in_flight: registered(IntGauge::new(
                "edge_requests_in_flight",
                "Requests that have begun and not ended.",
            )?)?,
            connect: histogram(
                "edge_upstream_connect_seconds",
                "Time to open a connection to an upstream.",
                &CONNECTS,
            )?,
            first_byte: histograms(
                "edge_upstream_first_byte_seconds",
                "From the last byte sent to an upstream to the head of its answer.",
                &DURATIONS,
                &["route"],
            )?,
            connections: counters(
                "edge_upstream_connections_total",
                "Times that a request got a connection to an upstream.",
                &["reused"],
            )?,
            proxy: histogram(
                "edge_proxy_seconds",
                "Time of a request in the proxy itself, without what it waited for.",
                &PROXY,
            )?,
            client_aborts: counters(
                "edge_client_aborts_total",
                "Requests whose client went away before the end.",
                &["route"],
            )?,
            spans: counters(
                "edge_spans_total",
                "Spans handed to the collector, by what came of it.",
                &["result"],
            )?,
        };
        metrics.begin_at_zero();
        build_info()?;
        Ok(metrics)
    }

    fn begin_at_zero(&self) {
        for route in routes::all() {
            self.client_aborts.with_label_values(&[route]);
        }
        for reused in ["true", "false"] {
            self.connections.with_label_values(&[reused]);
        }
        for result in ["exported", "failed"] {
            self.spans.with_label_values(&[result]);
        }
        for route in routes::all() {
            for method in routes::methods() {
                let failed = [route, method, "5xx"];
                self.requests.with_label_values(&failed);
            }
        }
    }

    pub(crate) fn request(&self, it: &Measured) {
        let status = routes::status_class(it.status);
        let labels = [it.route, it.method, status];
        self.requests.with_label_values(&labels).inc();
        let duration = self.duration.with_label_values(&[it.route, status]);
        duration.observe(it.total.as_secs_f64());
        self.proxy.observe(it.proxy.as_secs_f64());
        if let Some(wait) = it.first_byte {
            let first_byte = self.first_byte.with_label_values(&[it.route]);
            first_byte.observe(wait.as_secs_f64());
        }
        if it.client_gone {
            self.client_aborts.with_label_values(&[it.route]).inc();
        }
    }

    /// A connection from the pool took no time to open, and is no sample of how long that takes.
    pub(crate) fn connected(&self, took: Duration, reused: bool) {
        let label = if reused { "true" } else { "false" };
        self.connections.with_label_values(&[label]).inc();
        if !reused {
            self.connect.observe(took.as_secs_f64());
        }
    }

    pub(crate) fn spans(&self) -> IntCounterVec {
        self.spans.clone()
    }

    /// Counts the request as in flight until what this returns is dropped.
    pub(crate) fn begin(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }
}

/// A request whose task is cut by a stop sees no phase any more: only dropping is certain.
pub(crate) struct InFlight(IntGauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Has what the log's writer counts on the page.
///
/// # Errors
/// A name is taken.
pub(crate) fn register_log_loss(lost: ErrorCounter) -> Result<()> {
    let counter = IntCounter::new(
        "edge_log_lines_dropped_total",
        "Lines that were not written since stderr did not take them.",
    )?;
    registered(LogLoss {
        counter,
        lost,
        seen: AtomicU64::new(0).into(),
    })?;
    Ok(())
}

#[derive(Clone)]
struct LogLoss {
    counter: IntCounter,
    lost: ErrorCounter,
    seen: std::sync::Arc<AtomicU64>,
}

impl Collector for LogLoss {
    fn desc(&self) -> Vec<&Desc> {
        self.counter.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let lost = u64::try_from(self.lost.dropped_lines()).unwrap_or(u64::MAX);
        // Two who ask at once do not count a loss twice.
        let seen = self.seen.fetch_max(lost, Ordering::Relaxed);
        self.counter.inc_by(lost.saturating_sub(seen));
        self.counter.collect()
    }
}

fn build_info() -> Result<()> {
    let options = Opts::new("edge_build_info", "Always 1; the labels say what runs.");
    let info = registered(IntGaugeVec::new(options, &["version", "profile"])?)?;
    let profile = if cfg!(debug_assertions) {
        "debug"
    } else {
        "release"
    };
    let labels = [env!("CARGO_PKG_VERSION"), profile];
    info.with_label_values(&labels).set(1);
    Ok(())
}

fn counters(name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec> {
    registered(IntCounterVec::new(Opts::new(name, help), labels)?)
}

fn histogram(name: &str, help: &str, bounds: &[f64]) -> Result<Histogram> {
    let options = HistogramOpts::new(name, help).buckets(bounds.to_vec());
    registered(Histogram::with_opts(options)?)
}

fn histograms(name: &str, help: &str, bounds: &[f64], labels: &[&str]) -> Result<HistogramVec> {
    let options = HistogramOpts::new(name, help).buckets(bounds.to_vec());
    registered(HistogramVec::new(options, labels)?)
}

fn registered<C: Collector + Clone + 'static>(collector: C) -> Result<C> {
    register(Box::new(collector.clone()))?;
    Ok(collector)
}
