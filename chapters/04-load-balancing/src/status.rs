//! `/status`: how many requests each backend has had, and how many are under way.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use pingora::{Result, http::ResponseHeader, protocols::l4::socket::SocketAddr, proxy::Session};
use pingora_load_balancing::Backend;
use serde_json::{Value, json};

use crate::balancer::Balancer;

/// The longest bar.
const WIDTH: u64 = 40;

/// The counts by address. The backends are known from the start, so requests take no lock.
pub(crate) struct Counters(BTreeMap<SocketAddr, Arc<Counter>>);

#[derive(Default)]
struct Counter {
    requests: AtomicU64,
    in_flight: AtomicU64,
}

/// Counts a request as under way until this is dropped.
pub(crate) struct InFlight(Arc<Counter>);

/// A backend as `/status` shows it.
struct Line {
    backend: Backend,
    up: bool,
    /// As p2c knows it.
    latency: Option<Duration>,
    requests: u64,
    in_flight: u64,
}

/// Answers in JSON who accepts that by name, and everybody else in text.
///
/// # Errors
/// The client does not take the answer.
pub(crate) async fn answer(
    session: &mut Session,
    counters: &Counters,
    algorithm: &str,
    balancer: &Balancer,
) -> Result<()> {
    let request = session.req_header();
    let head = request.method == "HEAD";
    let accept = request.headers.get("accept");
    let accept = accept.and_then(|value| value.to_str().ok());
    let (content_type, body) = if accept.is_some_and(|it| it.contains("application/json")) {
        let json = counters.json(algorithm, balancer).to_string() + "\n";
        ("application/json", json)
    } else {
        (
            "text/plain; charset=utf-8",
            counters.text(algorithm, balancer),
        )
    };
    let mut header = ResponseHeader::build(200, Some(4))?;
    header.insert_header("content-type", content_type)?;
    header.insert_header("cache-control", "no-store")?;
    header.insert_header("vary", "accept")?;
    header.set_content_length(body.len())?;
    session
        .write_response_header(Box::new(header), head)
        .await?;
    if !head {
        session
            .write_response_body(Some(Bytes::from(body)), true)
            .await?;
    }
    Ok(())
}

impl Counters {
    pub(crate) fn new<'a>(backends: impl IntoIterator<Item = &'a Backend>) -> Self {
        let addresses = backends.into_iter().map(|backend| backend.addr.clone());
        Self(addresses.map(|it| (it, Arc::default())).collect())
    }

    /// One more request for this backend.
    pub(crate) fn count(&self, backend: &Backend) -> Option<InFlight> {
        let counter = self.0.get(&backend.addr)?;
        counter.requests.fetch_add(1, Ordering::Relaxed);
        counter.in_flight.fetch_add(1, Ordering::Relaxed);
        Some(InFlight(Arc::clone(counter)))
    }

    /// For eyes: a table with bars.
    fn text(&self, algorithm: &str, balancer: &Balancer) -> String {
        let lines = self.lines(balancer);
        let most = lines.iter().map(|line| line.requests).max().unwrap_or(0);
        let mut text = format!("LB={algorithm}\n");
        for line in lines {
            let Line {
                backend,
                up,
                latency,
                requests,
                in_flight,
            } = line;
            // Rounded up: one request is not nothing.
            let bar = (requests * WIDTH).div_ceil(most.max(1));
            let bar = "#".repeat(usize::try_from(bar).unwrap_or_default());
            let latency = latency.map_or(String::new(), |it| format!("{} ms ", it.as_millis()));
            let down = if up { "" } else { "down " };
            let (address, weight) = (backend.addr.to_string(), backend.weight);
            _ = writeln!(
                text,
                "{address} weight {weight}, {in_flight} in flight, {requests:>5} requests {latency}{down}{bar}"
            );
        }
        text
    }

    /// For programs.
    fn json(&self, algorithm: &str, balancer: &Balancer) -> Value {
        let lines = self.lines(balancer).into_iter().map(|line| {
            json!({
                "address": line.backend.addr.to_string(),
                "weight": line.backend.weight,
                "up": line.up,
                "latency_ms": line.latency.map(|it| it.as_secs_f64() * 1000.0),
                "in_flight": line.in_flight,
                "requests": line.requests,
            })
        });
        json!({ "lb": algorithm, "backends": Vec::from_iter(lines) })
    }

    fn lines(&self, balancer: &Balancer) -> Vec<Line> {
        let (backends, latencies) = (balancer.backends(), balancer.latencies());
        let line = |backend: &Backend| {
            let counter = self.0.get(&backend.addr)?;
            Some(Line {
                backend: backend.clone(),
                up: backends.ready(backend),
                latency: latencies.get(&backend.addr).copied(),
                requests: counter.requests.load(Ordering::Relaxed),
                in_flight: counter.in_flight.load(Ordering::Relaxed),
            })
        };
        backends.get_backend().iter().filter_map(line).collect()
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
