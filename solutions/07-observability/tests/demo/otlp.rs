//! What the demo tells an OpenTelemetry collector: decoded, as a tree, and held against the semantic conventions.
//! `cargo test -p solutions07-observability --test demo otlp -- --nocapture` shows the trees.

use std::time::Duration;

use lab::{Proxy, ProxyBuilder, Reply, Signal, Upstream, eventually, expect};
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode};

use crate::{
    collector::{Collector, attribute, attributes, hex},
    traces::{PARENT, TRACE, of_kind, traced},
};

/// A demo that exports soon.
fn told(collector: &Collector) -> ProxyBuilder {
    traced(&collector.endpoint()).env("OTEL_SERVICE_NAME", "edge-under-test")
}

/// The spans once there are so many, in the order in which they began.
async fn spans(collector: &Collector, count: usize) -> Vec<Span> {
    eventually(format!("{count} spans at the collector"), async || {
        collector.spans().len() >= count
    })
    .await;
    let mut spans = collector.spans();
    println!("{}", tree(&spans));
    spans.sort_by_key(|it| it.start_time_unix_nano);
    spans
}

fn expect_attributes(span: &Span, wanted: &[(&str, &str)]) {
    for (name, value) in wanted {
        let found = attribute(&span.attributes, name);
        let what = format!("{name}={value:?} at {}, not {found:?}", span.name);
        expect(found.as_deref() == Some(value), what);
    }
}

async fn ask(proxy: &Proxy, path: &str, flags: &str) {
    let traceparent = format!("00-{TRACE}-{PARENT}-{flags}");
    let request = proxy.get(path).header("traceparent", traceparent);
    request.send().await;
}

#[tokio::test]
async fn a_request_is_a_tree_of_server_client_and_internal_spans() {
    let collector = Collector::start();
    let upstream = Upstream::echo().await;
    let proxy = told(&collector).in_front_of(&upstream).await;
    ask(&proxy, "/users/7?token=hunter2", "01").await;
    let spans = spans(&collector, 3).await;
    expect(spans.len() == 3, "three spans");

    let server = of_kind(&spans, SpanKind::Server);
    let client = of_kind(&spans, SpanKind::Client);
    let internal = of_kind(&spans, SpanKind::Internal);
    let ([server], [client], [internal]) = (&server[..], &client[..], &internal[..]) else {
        expect(false, "a span of each kind");
        return;
    };
    expect(server.name == "GET /users/{id}", "named after the route");
    expect(client.name == "GET", "named after the method");
    for span in &spans {
        expect(hex(&span.trace_id) == TRACE, "the client's trace goes on");
        expect(!is_error(span), "no error");
    }
    expect(hex(&server.parent_span_id) == PARENT, "below the client's");
    expect(client.parent_span_id == server.span_id, "below the server");
    expect(internal.parent_span_id == client.span_id, "below the try");
    let within = |inner: &Span, outer: &Span| {
        inner.start_time_unix_nano >= outer.start_time_unix_nano
            && inner.end_time_unix_nano <= outer.end_time_unix_nano
    };
    expect(within(client, server), "the try within the request");
    expect(within(internal, client), "the connecting within the try");

    let address = upstream.address();
    expect_attributes(
        server,
        &[
            ("http.request.method", "GET"),
            ("http.route", "/users/{id}"),
            ("http.response.status_code", "200"),
            ("url.path", "/users/7"),
        ],
    );
    expect_attributes(
        client,
        &[
            ("http.request.method", "GET"),
            ("http.response.status_code", "200"),
            ("server.address", &address.ip().to_string()),
            ("server.port", &address.port().to_string()),
        ],
    );
    let all = tree(&spans);
    expect(!all.contains("hunter2"), "no secret in an attribute");
    let exported = collector.exports().into_iter().flatten().next();
    let resource = exported.and_then(|it| it.resource).unwrap_or_default();
    let of_resource = |name| attribute(&resource.attributes, name);
    let name = of_resource("service.name");
    expect(
        name.as_deref() == Some("edge-under-test"),
        "OTEL_SERVICE_NAME counts",
    );
    expect(of_resource("service.version").is_some(), "a version");
}

#[tokio::test]
async fn the_upstream_is_told_the_span_of_the_try() {
    let collector = Collector::start();
    let upstream = Upstream::echo().await;
    let proxy = told(&collector).in_front_of(&upstream).await;
    ask(&proxy, "/users/7", "01").await;
    let spans = spans(&collector, 3).await;
    let ids = of_kind(&spans, SpanKind::Client)
        .into_iter()
        .map(|it| hex(&it.span_id));
    let wanted = Vec::from_iter(ids.map(|id| format!("00-{TRACE}-{id}-01")));
    let request = upstream.last_request();
    let told = request.header("traceparent").map(str::to_owned);
    expect(
        told.is_some() && told.as_ref() == wanted.first(),
        format!("one of {wanted:?}, not {told:?}"),
    );
}

#[tokio::test]
async fn an_upstreams_404_is_an_error_of_the_client_span_alone() {
    let collector = Collector::start();
    let upstream = Upstream::always(Reply::status(404)).await;
    let proxy = told(&collector).in_front_of(&upstream).await;
    ask(&proxy, "/users/7", "01").await;
    let spans = spans(&collector, 3).await;
    for span in of_kind(&spans, SpanKind::Server) {
        expect(!is_error(span), "to the server a 404 is no error");
    }
    for span in of_kind(&spans, SpanKind::Client) {
        expect(is_error(span), "to who asked a 404 is one");
    }
}

#[tokio::test]
async fn each_try_is_a_span_of_its_own() {
    let collector = Collector::start();
    let (dead, alive) = (Upstream::refusing().await, Upstream::echo().await);
    let proxy = told(&collector).in_front_of_all([&dead, &alive]).await;
    // One of two at least begins with the upstream that is dead.
    ask(&proxy, "/users/1", "01").await;
    ask(&proxy, "/users/2", "01").await;
    proxy.signal(Signal::SIGTERM);
    proxy.wait_for_exit().await;
    let spans = collector.spans();
    println!("{}", tree(&spans));
    let tries = of_kind(&spans, SpanKind::Client);
    let failed = tries.iter().filter(|it| is_error(it)).count();
    expect(failed > 0, "a failed try");
    expect(
        tries.len() == failed + 2,
        "and one that did not fail for each",
    );
    let again = tries
        .iter()
        .filter_map(|it| attribute(&it.attributes, "http.request.resend_count"));
    let again = Vec::from_iter(again);
    expect(again == vec!["1"; failed], format!("counted: {again:?}"));
    for span in of_kind(&spans, SpanKind::Server) {
        expect(!is_error(span), "what was answered is well");
        expect_attributes(span, &[("http.response.status_code", "200")]);
    }
}

#[tokio::test]
async fn what_the_client_does_not_sample_is_not_exported() {
    let collector = Collector::start();
    let upstream = Upstream::echo().await;
    let proxy = told(&collector).in_front_of(&upstream).await;
    ask(&proxy, "/users/1", "00").await;
    ask(&proxy, "/users/2", "01").await;
    proxy.signal(Signal::SIGTERM);
    proxy.wait_for_exit().await;
    // Whatever waited went out with the stop.
    let spans = collector.spans();
    println!("{}", tree(&spans));
    expect(
        spans.len() == 3,
        format!("three spans, not {}", spans.len()),
    );
    let paths = spans
        .iter()
        .filter_map(|it| attribute(&it.attributes, "url.path"));
    expect(
        Vec::from_iter(paths) == ["/users/2"],
        "of the second request",
    );
}

#[tokio::test]
async fn a_stop_sends_what_waits() {
    let collector = Collector::start();
    let upstream = Upstream::echo().await;
    let hour = Duration::from_secs(3600).as_millis();
    let proxy = told(&collector).env("OTEL_BSP_SCHEDULE_DELAY", hour);
    let proxy = proxy.in_front_of(&upstream).await;
    for _ in 0..20 {
        ask(&proxy, "/users/1", "01").await;
    }
    expect(collector.spans().is_empty(), "nothing is due for an hour");
    proxy.signal(Signal::SIGTERM);
    proxy.wait_for_exit().await;
    let count = collector.spans().len();
    expect(count == 60, format!("60 spans, not {count}"));
}

fn is_error(span: &Span) -> bool {
    let status = span.status.clone().unwrap_or_default();
    status.code() == StatusCode::Error
}

/// The spans as a tree, one a line, children below their parent in the order in which they began.
fn tree(spans: &[Span]) -> String {
    let known = |id: &[u8]| spans.iter().any(|it| it.span_id == id);
    let roots = spans.iter().filter(|it| !known(&it.parent_span_id));
    let roots = Vec::from_iter(roots);
    let mut text = String::new();
    below(spans, roots, 0, &mut text);
    text
}

fn below(spans: &[Span], mut children: Vec<&Span>, depth: usize, text: &mut String) {
    children.sort_by_key(|it| it.start_time_unix_nano);
    for span in children {
        let kind = span.kind().as_str_name();
        let micros = (span.end_time_unix_nano - span.start_time_unix_nano) / 1_000;
        let error = if is_error(span) { " ERROR" } else { "" };
        let attributes = attributes(&span.attributes);
        let indent = "  ".repeat(depth);
        *text += &format!(
            "{indent}{} [{kind}{error}] {micros} us {attributes}\n",
            span.name
        );
        let next = spans.iter().filter(|it| it.parent_span_id == span.span_id);
        below(spans, next.collect(), depth + 1, text);
    }
}
