//! The demo of chapter 07: each ending of a request leaves one line, the right counts and nothing in flight; labels stay
//! few whatever clients send; traces arrive, and a collector that does not work harms nobody.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

#[path = "../../../chapters/07-observability/checks/support/collector.rs"]
mod collector;
#[path = "demo/hostile.rs"]
mod hostile;
#[path = "demo/log.rs"]
mod log;
#[path = "demo/otlp.rs"]
mod otlp;
#[path = "demo/outcomes.rs"]
mod outcomes;
#[path = "demo/page.rs"]
mod page;
#[path = "demo/traces.rs"]
mod traces;

use std::{path::PathBuf, sync::LazyLock};

use course::cargo;
use lab::{Proxy, ProxyBuilder, eventually};
use serde_json::Value;

/// Built once a run.
static DEMO: LazyLock<PathBuf> = LazyLock::new(|| cargo::demo("ch07-observability"));

fn demo() -> ProxyBuilder {
    Proxy::at_path(&*DEMO, "7-0")
}

/// The lines of the access log so far. Each line on stderr must be JSON.
fn lines(proxy: &Proxy) -> Vec<Value> {
    let log = proxy.log();
    let complete = log.lines().filter(|line| line.ends_with('}'));
    let parsed = complete.map(|line| serde_json::from_str(line).expect("each line is JSON"));
    parsed
        .filter(|it: &Value| it.get("outcome").is_some())
        .collect()
}

/// Waits until there is a line, and returns the lines.
async fn logged(proxy: &Proxy, count: usize) -> Vec<Value> {
    eventually("the access log has the lines", async || {
        lines(proxy).len() >= count
    })
    .await;
    lines(proxy)
}

async fn metrics(proxy: &Proxy) -> String {
    let answer = proxy.port("ADMIN").get("/metrics").send().await;
    answer.expect_status(200);
    answer.text()
}

/// Waits until so many requests are counted, which is after the client has its answer, and returns the page.
async fn counted(proxy: &Proxy, requests: u32) -> String {
    let requests = f64::from(requests);
    eventually("all requests are counted", async || {
        sum(&metrics(proxy).await, "edge_requests_total") >= requests
    })
    .await;
    let page = metrics(proxy).await;
    let count = sum(&page, "edge_requests_total");
    proxy.expect(
        count == requests,
        format!("{requests} requests, not {count}"),
    );
    page
}

/// The sum of the samples that begin with this.
fn sum(page: &str, name: &str) -> f64 {
    let samples = page.lines().filter(|line| line.starts_with(name));
    let values = samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    values.sum()
}
