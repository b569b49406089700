//! 7.6 Spans of the proxy and of its upstream, in the client's trace, exported without harm to anyone.

use std::net::TcpListener;

use lab::{Proxy, ProxyBuilder, Reply, Signal, Upstream, eventually, expect};
use opentelemetry_proto::tonic::{
    common::v1::any_value::Value,
    trace::v1::{
        Span,
        span::SpanKind,
        status::StatusCode::{self, Error},
    },
};

#[path = "support/collector.rs"]
mod collector;
use collector::{Collector, attribute, attributes, hex};

const EXERCISE: &str = "7-6";

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// The program, exporting to this endpoint every so many milliseconds.
fn exporting(endpoint: &str, every: u32) -> ProxyBuilder {
    Proxy::of(EXERCISE)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .env("OTEL_BSP_SCHEDULE_DELAY", every)
        .env("OTEL_TRACES_SAMPLER", "parentbased_always_on")
}

/// Sends one request in a trace, and waits for its two spans.
async fn spans_of(path: &str, upstream: &Upstream, status: u16) -> Vec<Span> {
    let collector = Collector::start();
    let proxy = exporting(&collector.endpoint(), 100)
        .in_front_of(upstream)
        .await;

    proxy
        .get(path)
        .header("traceparent", format!("00-{TRACE}-{PARENT}-01"))
        .send()
        .await
        .expect_status(status);
    arrived(&collector, 2).await
}

/// Waits until so many spans have arrived.
async fn arrived(collector: &Collector, count: usize) -> Vec<Span> {
    eventually(
        format!("{count} spans arrive at the collector"),
        async || collector.spans().len() >= count,
    )
    .usually("a span is exported once it has ended, and only if it is sampled")
    .await;
    collector.spans()
}

/// The only span of this kind.
fn of_kind(spans: &[Span], kind: SpanKind) -> Span {
    let found: Vec<&Span> = spans.iter().filter(|span| span.kind() == kind).collect();
    expect(
        found.len() == 1,
        format!(
            "one span of kind {kind:?}, but there are:\n{}",
            lines(spans)
        ),
    )
    .usually(
        "a span whose kind is not set is internal: what arrives is server, what is sent is client",
    );
    found.first().copied().cloned().unwrap_or_default()
}

fn lines(spans: &[Span]) -> String {
    let lines: Vec<String> = spans.iter().map(show).collect();
    lines.join("\n")
}

fn code(span: &Span) -> StatusCode {
    span.status
        .as_ref()
        .map_or(StatusCode::Unset, |status| status.code())
}

/// A span in one line, to be shown when an expectation fails.
fn show(span: &Span) -> String {
    format!(
        "{} {:?} {} under {:?} in {}: {:?} {}",
        span.name,
        span.kind(),
        hex(&span.span_id),
        hex(&span.parent_span_id),
        hex(&span.trace_id),
        span.status.as_ref().map(|status| status.code()),
        attributes(&span.attributes)
    )
}

fn expect_attribute(span: &Span, key: &str, value: &str) {
    expect(
        attribute(&span.attributes, key).as_deref() == Some(value),
        format!("{key}={value}, but the span is\n{}", show(span)),
    )
    .usually("the names are those of OpenTelemetry's conventions for HTTP spans");
}

fn expect_status_code(span: &Span, code: i64) {
    let codes = span
        .attributes
        .iter()
        .filter(|it| it.key == "http.response.status_code")
        .map(|it| it.value.as_ref()?.value.as_ref());
    expect(
        codes.eq([Some(&Value::IntValue(code))]),
        format!(
            "http.response.status_code={code}, once and as a number, but the span is\n{}",
            show(span)
        ),
    )
    .usually(
        "i64::from(status) makes an attribute that can be compared; a text of digits cannot be",
    );
}

fn expect_failed(span: &Span) {
    expect(
        code(span) == Error
            && attribute(&span.attributes, "error.type").is_some_and(|why| !why.is_empty()),
        format!(
            "status Error and an error.type, but the span is\n{}",
            show(span)
        ),
    );
}

fn expect_not_failed(span: &Span) {
    expect(
        code(span) != Error,
        format!(
            "a status that is not Error, but the span is\n{}",
            show(span)
        ),
    )
    .usually(
        "4xx is the client's mistake: an error for the client span, and none for the server span",
    );
}

/// Expects that a proxy answers on and on, whatever happens to its spans.
async fn answers_ten_times(endpoint: &str) -> Proxy {
    let upstream = Upstream::echo().await;
    // The collector is waited for longer than a check waits for an answer.
    let proxy = exporting(endpoint, 20)
        .env("OTEL_EXPORTER_OTLP_TIMEOUT", 600_000)
        .in_front_of(&upstream)
        .await;

    let target = (*proxy).clone();
    let requests = tokio::spawn(async move {
        let mut answers = Vec::new();
        for _ in 0..10 {
            answers.push(target.get("/").send().await.status);
        }
        answers
    });
    upstream
        .wait_for_requests(10)
        .usually("a simple exporter waits for the collector in the thread that serves requests")
        .await;
    let answers = requests.await.unwrap_or_default();
    expect(
        answers == [200; 10],
        format!("ten answers with 200, but they are {answers:?}"),
    );
    proxy
}

/// A collector that takes connections and does not answer.
fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0");
    expect(listener.is_ok(), "a free port");
    let Ok(listener) = listener else {
        std::process::abort()
    };
    let address = listener.local_addr().map(|address| address.to_string());
    (listener, format!("http://{}", address.unwrap_or_default()))
}

#[tokio::test]
async fn the_client_span_is_the_child_of_the_server_span() {
    let upstream = Upstream::echo().await;
    let spans = spans_of("/", &upstream, 200).await;

    let server = spans
        .iter()
        .find(|span| hex(&span.parent_span_id) == PARENT);
    let server = server.map_or_else(String::new, |span| hex(&span.span_id));
    expect(
        spans.iter().any(|span| hex(&span.parent_span_id) == server),
        format!(
            "one span under the caller's, {PARENT}, and one under that, but there are:\n{}",
            lines(&spans)
        ),
    )
    .usually(
        "the caller is the parent of what we do for it; the call to the upstream is part of that",
    );
}

#[tokio::test]
async fn one_span_is_server_and_one_is_client() {
    let upstream = Upstream::echo().await;
    let spans = spans_of("/", &upstream, 200).await;

    let server = of_kind(&spans, SpanKind::Server);
    let client = of_kind(&spans, SpanKind::Client);
    expect(
        hex(&server.parent_span_id) == PARENT && client.parent_span_id == server.span_id,
        format!(
            "the server span under {PARENT}, the client span under that:\n{}",
            lines(&spans)
        ),
    );
    expect(
        upstream
            .last_request()
            .header("traceparent")
            .is_some_and(|line| line.contains(&hex(&client.span_id))),
        "the client span as the parent that the upstream is told",
    );
    expect_not_failed(&server);
    expect_not_failed(&client);
}

#[tokio::test]
async fn the_spans_say_what_was_asked_and_answered() {
    let upstream = Upstream::echo().await;
    let spans = spans_of("/users/4711?token=hunter2", &upstream, 200).await;

    let server = of_kind(&spans, SpanKind::Server);
    expect_attribute(&server, "http.request.method", "GET");
    expect_attribute(&server, "url.path", "/users/4711");
    expect_attribute(&server, "url.scheme", "http");
    expect_status_code(&server, 200);
    let client = of_kind(&spans, SpanKind::Client);
    expect_attribute(&client, "http.request.method", "GET");
    expect_attribute(&client, "server.address", "127.0.0.1");
    let port = upstream.address().port().to_string();
    expect_attribute(&client, "server.port", &port);
    expect_status_code(&client, 200);
}

#[tokio::test]
async fn a_404_is_an_error_of_the_client_span_only() {
    let upstream = Upstream::always(Reply::text(404, "no")).await;
    let spans = spans_of("/", &upstream, 404).await;

    expect_not_failed(&of_kind(&spans, SpanKind::Server));
    expect_failed(&of_kind(&spans, SpanKind::Client));
}

#[tokio::test]
async fn a_500_is_an_error_of_both_spans() {
    let upstream = Upstream::always(Reply::text(500, "no")).await;
    let spans = spans_of("/", &upstream, 500).await;

    expect_failed(&of_kind(&spans, SpanKind::Server));
    expect_failed(&of_kind(&spans, SpanKind::Client));
}

#[tokio::test]
async fn an_upstream_that_refuses_leaves_two_failed_spans() {
    let upstream = Upstream::refusing().await;
    let spans = spans_of("/", &upstream, 502).await;

    let server = of_kind(&spans, SpanKind::Server);
    expect_failed(&server);
    expect_status_code(&server, 502);
    let client = of_kind(&spans, SpanKind::Client);
    expect_failed(&client);
    expect(
        attribute(&client.attributes, "http.response.status_code").is_none(),
        "no status of an upstream that gave none",
    );
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_an_error_of_the_client_span() {
    let upstream = Upstream::always(Reply::truncated(1_000, "half")).await;
    let collector = Collector::start();
    let proxy = exporting(&collector.endpoint(), 100)
        .in_front_of(&upstream)
        .await;

    proxy.get("/").send().await.expect_cut_short();

    let spans = arrived(&collector, 2).await;
    expect_failed(&of_kind(&spans, SpanKind::Client));
    let server = of_kind(&spans, SpanKind::Server);
    expect_not_failed(&server);
    expect_status_code(&server, 200);
}

#[tokio::test]
async fn a_client_that_leaves_is_no_error() {
    let upstream = Upstream::always(Reply::stall()).await;
    let collector = Collector::start();
    let proxy = exporting(&collector.endpoint(), 100)
        .in_front_of(&upstream)
        .await;
    let mut wire = proxy.connect().await;

    wire.send("GET / HTTP/1.1\r\nHost: edge\r\n\r\n").await;
    upstream.wait_for_requests(1).await;
    drop(wire);

    let spans = arrived(&collector, 2).await;
    for kind in [SpanKind::Server, SpanKind::Client] {
        let span = of_kind(&spans, kind);
        expect_not_failed(&span);
        expect(
            attribute(&span.attributes, "http.response.status_code").is_none(),
            format!("no status where no answer was sent, but {}", show(&span)),
        );
    }
}

#[tokio::test]
async fn spans_are_exported_in_batches() {
    let upstream = Upstream::echo().await;
    let collector = Collector::start();
    let proxy = exporting(&collector.endpoint(), 1000)
        .in_front_of(&upstream)
        .await;

    let client = proxy.client().await;
    for _ in 0..50 {
        client.get("/").send().await.expect_status(200);
    }

    arrived(&collector, 100).await;
    let exports = collector.exports().len();
    expect(
        exports <= 50,
        format!("many spans in one export, but 100 spans came in {exports} exports"),
    )
    .usually("with_simple_exporter exports each span by itself, when it ends");
}

#[tokio::test]
async fn a_silent_collector_does_no_harm() {
    let (_listener, endpoint) = silent();
    answers_ten_times(&endpoint).await;
}

#[tokio::test]
async fn a_collector_that_comes_to_grief_does_no_harm() {
    let (_listener, endpoint) = silent();
    answers_ten_times(&endpoint).await;

    let nobody = Upstream::refusing().await;
    answers_ten_times(&format!("http://{}", nobody.address())).await;

    let refuses = Collector::broken();
    // It exports as long as it runs, and it may answer ten requests before it does.
    let _proxy = answers_ten_times(&refuses.endpoint()).await;
    arrived(&refuses, 1).await;
}

#[tokio::test]
async fn a_stop_does_not_wait_long_for_a_silent_collector() {
    let (_listener, endpoint) = silent();
    let upstream = Upstream::echo().await;
    let proxy = exporting(&endpoint, 600_000)
        .env("OTEL_EXPORTER_OTLP_TIMEOUT", 600_000)
        .in_front_of(&upstream)
        .await;

    proxy.get("/").send().await.expect_status(200);
    proxy.wait_for_log("GET /").await;
    proxy.signal(Signal::SIGTERM);
    proxy.wait_for_exit().await;
}

mod given {
    use super::*;

    #[tokio::test]
    async fn both_spans_belong_to_the_clients_trace() {
        let upstream = Upstream::echo().await;
        let spans = spans_of("/", &upstream, 200).await;

        expect(
            spans.len() == 2 && spans.iter().all(|span| hex(&span.trace_id) == TRACE),
            format!(
                "two spans of the trace {TRACE}, but there are:\n{}",
                lines(&spans)
            ),
        );
        upstream.last_request().expect_header_where(
            "traceparent",
            "the trace of the client, and one of the two spans as the parent",
            |line| {
                let parent = spans.iter().any(|span| line.contains(&hex(&span.span_id)));
                parent && line.contains(TRACE)
            },
        );
    }

    #[tokio::test]
    async fn what_comes_before_the_answer_has_no_status() {
        let hints = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n";
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        let upstream = Upstream::always(Reply::raw(format!("{hints}{answer}"))).await;
        let spans = spans_of("/", &upstream, 200).await;

        for span in &spans {
            let all = attributes(&span.attributes);
            expect(
                !all.split(' ').any(|one| one.ends_with("=103")),
                format!("no status but that of the answer, but {}", show(span)),
            );
        }
    }

    #[tokio::test]
    async fn names_are_few_and_secrets_stay_out() {
        let upstream = Upstream::echo().await;
        let spans = spans_of("/users/4711?token=hunter2", &upstream, 200).await;

        for span in &spans {
            expect(
                !span.name.contains("4711"),
                format!("a name without the path, but the span is\n{}", show(span)),
            )
            .usually("a name is what spans are grouped by: a path makes a group of its own for each user");
            expect(
                !show(span).contains("hunter2"),
                format!("nothing of the query, but the span is\n{}", show(span)),
            )
            .usually("the path is uri.path(); the query after it may hold secrets");
        }
    }

    #[tokio::test]
    async fn what_the_caller_does_not_sample_is_not_exported() {
        let upstream = Upstream::echo().await;
        let collector = Collector::start();
        let proxy = exporting(&collector.endpoint(), 100)
            .in_front_of(&upstream)
            .await;

        for (trace, flags) in [("4bf92f3577b34da6a3ce929d0e0e4736", "00"), (TRACE, "01")] {
            proxy
                .get("/")
                .header("traceparent", format!("00-{trace}-{PARENT}-{flags}"))
                .send()
                .await
                .expect_status(200);
            upstream.last_request().expect_header_where(
                "traceparent",
                "the same trace and flag",
                |line| line.contains(trace) && line.ends_with(flags),
            );
        }

        let spans = arrived(&collector, 2).await;
        expect(
            spans.iter().all(|span| hex(&span.trace_id) == TRACE),
            format!(
                "spans of the sampled trace only, but there are:\n{}",
                lines(&spans)
            ),
        );
    }

    #[tokio::test]
    async fn a_stop_exports_what_is_left() {
        for signal in [Signal::SIGINT, Signal::SIGTERM] {
            let upstream = Upstream::echo().await;
            let collector = Collector::start();
            let proxy = exporting(&collector.endpoint(), 600_000)
                .in_front_of(&upstream)
                .await;

            proxy.get("/").send().await.expect_status(200);
            // The client has its answer before the request is over.
            proxy.wait_for_log("GET /").await;
            proxy.signal(signal);
            proxy.wait_for_exit().await;

            expect(
                collector.spans().len() == 2,
                format!(
                    "two spans exported before the end, but after {signal} there are {}",
                    collector.spans().len()
                ),
            )
            .usually("what ended since the last export is in a queue: flush it after the server has stopped");
        }
    }

    #[tokio::test]
    async fn without_an_endpoint_a_trace_goes_on_all_the_same() {
        let upstream = Upstream::echo().await;
        let proxy = Proxy::of(EXERCISE)
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", "")
            .in_front_of(&upstream)
            .await;

        proxy
            .get("/")
            .header("traceparent", format!("00-{TRACE}-{PARENT}-01"))
            .send()
            .await
            .expect_status(200);
        upstream.last_request().expect_header_where(
            "traceparent",
            "the trace of the client",
            |line| line.contains(TRACE) && line.ends_with("-01"),
        );
    }

    #[tokio::test]
    async fn an_endpoint_that_is_none_is_an_error_at_once() {
        let ended = Proxy::of(EXERCISE)
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", "collector 4317")
            .run_to_end()
            .await;
        ended.expect_code(2);
    }
}
