//! One line for each request, whatever came of it. Fields are named as OpenTelemetry's HTTP conventions name them; what
//! those do not know begins with `edge.`.

use std::time::Duration;

use log::info;
use opentelemetry::trace::SpanContext;
use pingora::{Error, http::RequestHeader, proxy::Session};
use serde_json::{Map, Value};

use crate::{ctx::Ctx, outcome::Outcome, spans::OTHER_METHOD, text};

/// `RUST_LOG=access=off` switches the lines off.
pub(crate) const TARGET: &str = "access";

pub(crate) fn write(
    session: &Session,
    ctx: &Ctx,
    outcome: Outcome,
    status: Option<u16>,
    error: Option<&Error>,
) {
    let mut line = Map::new();
    let mut set = |name: &str, value: Value| _ = line.insert(name.to_owned(), value);
    set("outcome", outcome.name().into());
    set("http.route", ctx.route.into());
    for (name, value) in of_request(session.req_header(), ctx.method) {
        set(name, value.into());
    }
    if let Some(status) = status {
        set("http.response.status_code", status.into());
    }
    if let Some(client) = session.client_addr().and_then(|it| it.as_inet()) {
        set("client.address", client.ip().to_string().into());
    }
    set("http.request.body.size", session.body_bytes_read().into());
    set("http.response.body.size", session.body_bytes_sent().into());
    set("duration", seconds(ctx.started.elapsed()));
    set("edge.proxy.duration", seconds(ctx.own.read()));
    for (name, value) in of_upstream(ctx) {
        set(name, value);
    }
    // The type alone: the text may show what a peer sent.
    if let Some(error) = error {
        set("error.type", error.etype().as_str().into());
    }
    let span: SpanContext = ctx.spans.context();
    if span.is_valid() {
        set("trace_id", span.trace_id().to_string().into());
        set("span_id", span.span_id().to_string().into());
        set("trace_flags", format!("{:02x}", span.trace_flags()).into());
    }
    info!(target: TARGET, "{}", Value::from(line));
}

/// What the client asked for. Of the headers only these two: the others carry credentials, or may. Nor the query, where
/// tokens and addresses travel.
pub(crate) fn of_request(
    request: &RequestHeader,
    method: Option<&'static str>,
) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        (
            "http.request.method",
            method.unwrap_or(OTHER_METHOD).to_owned(),
        ),
        ("url.path", text::printable(path(request))),
        ("url.scheme", "http".to_owned()),
        ("network.protocol.version", version(request).to_owned()),
    ];
    if method.is_none() {
        let original = text::printable(request.method.as_str().as_bytes());
        fields.push(("http.request.method_original", original));
    }
    if let Some(host) = host(request) {
        fields.push(("server.address", text::printable(host)));
    }
    if let Some(agent) = request.headers.get("user-agent") {
        fields.push(("user_agent.original", text::printable(agent.as_bytes())));
    }
    fields
}

fn of_upstream(ctx: &Ctx) -> Vec<(&'static str, Value)> {
    let Some(upstream) = ctx.tried.last() else {
        return Vec::new();
    };
    let mut fields = vec![
        ("edge.upstream.address", upstream.to_string().into()),
        ("edge.upstream.tries", ctx.tried.len().into()),
    ];
    if let Some(took) = ctx.connect {
        fields.push(("edge.upstream.connect.duration", seconds(took)));
        fields.push(("edge.upstream.reused", ctx.reused.into()));
    }
    if let Some(took) = ctx.first_byte {
        fields.push(("edge.upstream.first_byte.duration", seconds(took)));
    }
    fields
}

/// As it was sent, without its query. A target in absolute form may hold a password before its host.
pub(crate) fn path(request: &RequestHeader) -> &[u8] {
    let target = request.raw_path();
    if target.first() != Some(&b'/') {
        return request.uri.path().as_bytes();
    }
    let end = |byte: &u8| matches!(byte, b'?' | b'#');
    target.split(end).next().unwrap_or_default()
}

/// Without the port, and without what some clients send before an `@`.
fn host(request: &RequestHeader) -> Option<&[u8]> {
    if let Some(host) = request.uri.host() {
        return Some(host.as_bytes());
    }
    let host = request.headers.get("host")?.as_bytes();
    let host = host.rsplit(|it| *it == b'@').next()?;
    let port = host.iter().rposition(|it| *it == b':');
    let bracket = host.iter().rposition(|it| *it == b']');
    match port {
        Some(port) if bracket.is_none_or(|bracket| bracket < port) => host.get(..port),
        _ => Some(host),
    }
}

fn version(request: &RequestHeader) -> &'static str {
    match request.version {
        http::Version::HTTP_10 => "1.0",
        http::Version::HTTP_2 => "2",
        _ => "1.1",
    }
}

/// To the microsecond.
fn seconds(time: Duration) -> Value {
    ((time.as_secs_f64() * 1e6).round() / 1e6).into()
}
