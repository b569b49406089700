//! What the proxy says of itself: `/healthz`, `/readyz`, and `/status`, for programs in JSON, for eyes as `/status.txt`.
//!
//! Two paths, and no negotiation by `Accept`: a path can be typed into any client.

use std::{
    fmt::Write,
    net::SocketAddr,
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use http::Method;
use pingora::{Result, http::ResponseHeader, proxy::Session};
use serde_json::{Value, json};

use crate::{
    board::{Entry, Verdict},
    fleet::Fleet,
    outlier::Shown,
};

/// One line of the table.
struct Line {
    backend: SocketAddr,
    state: &'static str,
    since: Duration,
    why: String,
    share: u64,
}

/// Answers if the path is one of its own, and says whether it was.
///
/// # Errors
/// The client does not take the answer.
pub(crate) async fn answer(session: &mut Session, fleet: &Fleet) -> Result<bool> {
    let now = Instant::now();
    let ready = fleet.rounds.ready();
    let (status, content_type, body) = match session.req_header().uri.path() {
        "/healthz" => (
            200,
            "application/json",
            json!({ "status": "ok" }).to_string(),
        ),
        "/readyz" if ready => (
            200,
            "application/json",
            json!({ "status": "ready" }).to_string(),
        ),
        "/readyz" => (
            503,
            "application/json",
            json!({ "status": "checking" }).to_string(),
        ),
        "/status" => (200, "application/json", in_json(fleet, now).to_string()),
        "/status.txt" => (200, "text/plain; charset=utf-8", in_text(fleet, now)),
        _ => return Ok(false),
    };
    let method = session.req_header().method.clone();
    if ![Method::GET, Method::HEAD].contains(&method) {
        return write(session, 405, "text/plain; charset=utf-8", String::new()).await;
    }
    write(session, status, content_type, body).await
}

async fn write(
    session: &mut Session,
    status: u16,
    content_type: &str,
    body: String,
) -> Result<bool> {
    let head = session.req_header().method == Method::HEAD;
    let body = body.trim_end().to_owned() + "\n";
    let mut header = ResponseHeader::build(status, Some(4))?;
    header.insert_header("content-type", content_type)?;
    header.insert_header("cache-control", "no-store")?;
    header.set_content_length(body.len())?;
    if status == 405 {
        header.insert_header("allow", "GET, HEAD")?;
    }
    session
        .write_response_header(Box::new(header), head)
        .await?;
    if !head {
        session
            .write_response_body(Some(Bytes::from(body)), true)
            .await?;
    }
    Ok(true)
}

fn in_json(fleet: &Fleet, now: Instant) -> Value {
    let (breaker, spent) = (fleet.breaker.shown(now), fleet.budget.spent(now));
    let backends = lines(fleet, now).into_iter().map(|line| {
        json!({
            "backend": line.backend.to_string(),
            "state": line.state,
            "since": date(line.since),
            "for_ms": milliseconds(line.since),
            "why": line.why,
            "share_percent": line.share,
        })
    });
    json!({
        "ready": fleet.rounds.ready(),
        "panic": fleet.outliers.panicking(now),
        "backends": Vec::from_iter(backends),
        "breaker": {
            "state": breaker.state.name(),
            "since": date(breaker.since),
            "for_ms": milliseconds(breaker.since),
            "why": breaker.why,
        },
        "retries": {
            "requests": spent.requests,
            "retries": spent.retries,
            "left": spent.left,
        },
    })
}

fn in_text(fleet: &Fleet, now: Instant) -> String {
    let (breaker, spent) = (fleet.breaker.shown(now), fleet.budget.spent(now));
    let mut text = format!(
        "{:<22}{:<11}{:>8}  {:<31}why\n",
        "backend", "state", "for", "since"
    );
    for line in lines(fleet, now) {
        let Line {
            backend,
            state,
            since,
            why,
            ..
        } = line;
        let (backend, seconds) = (backend.to_string(), format!("{} s", since.as_secs()));
        _ = writeln!(
            text,
            "{backend:<22}{state:<11}{seconds:>8}  {:<31}{why}",
            date(since)
        );
    }
    let ready = if fleet.rounds.ready() {
        "ready"
    } else {
        "not ready"
    };
    let panic = if fleet.outliers.panicking(now) {
        ", panic: all are used"
    } else {
        ""
    };
    _ = writeln!(text, "\n{ready}{panic}");
    _ = writeln!(text, "breaker {}: {}", breaker.state.name(), breaker.why);
    let (requests, retries, left) = (spent.requests, spent.retries, spent.left);
    _ = writeln!(
        text,
        "retries {retries} of {requests} requests lately, {left} left"
    );
    text
}

/// Every backend: what the checks say of it, or if they are content, what its answers said.
fn lines(fleet: &Fleet, now: Instant) -> Vec<Line> {
    let shown = fleet.outliers.shown(now);
    let line = |address: &SocketAddr| {
        let shown = shown.iter().find(|it| it.backend == *address)?;
        Some(Line::new(&fleet.board.entry(*address)?, shown.clone(), now))
    };
    fleet.addresses.iter().filter_map(line).collect()
}

impl Line {
    fn new(entry: &Entry, shown: Shown, now: Instant) -> Self {
        let checked = now.saturating_duration_since(entry.since);
        let by_checks = |state| (state, checked, entry.why.clone());
        let (state, since, why) = match (entry.verdict, shown.state) {
            (Verdict::Down, _) => by_checks("down"),
            (_, "out") => ("ejected", shown.since, shown.why),
            (_, "returning") => ("returning", shown.since, shown.why),
            (Verdict::Unchecked, _) => by_checks("unchecked"),
            // What changed last.
            (Verdict::Up, _) if shown.since < checked => ("up", shown.since, shown.why),
            (Verdict::Up, _) => by_checks("up"),
        };
        let share = if state == "down" { 0 } else { shown.share };
        Self {
            backend: shown.backend,
            state,
            since,
            why,
            share,
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// When that was, as HTTP writes it (RFC 9110, section 5.6.7).
fn date(ago: Duration) -> String {
    let then = SystemTime::now().checked_sub(ago);
    then.map_or_else(|| "-".to_owned(), httpdate::fmt_http_date)
}
