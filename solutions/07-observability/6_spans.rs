//! 7.6 Spans: what the proxy did, and what it waited for, as part of the client's trace.

use std::{net::SocketAddr, time::Duration};

use async_trait::async_trait;
use env_logger::Env;
use opentelemetry::{
    Context, KeyValue,
    trace::{
        Span as _, SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer,
        TracerProvider,
    },
};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, Span};
use pingora::{
    Error,
    ErrorType::HTTPStatus,
    Result,
    http::{RequestHeader, ResponseHeader},
    prelude::HttpPeer,
    proxy::{ProxyHttp, Session, http_proxy_service},
    server::{
        RunArgs, Server,
        configuration::{Opt, ServerConf},
    },
};
use tokio::runtime::Runtime;

struct Edge {
    upstreams: Vec<SocketAddr>,
    tracer: SdkTracer,
}

/// The spans of one request. One that is dropped ends.
#[derive(Default)]
struct Spans {
    /// Who called us, if the request said so.
    caller: Option<SpanContext>,
    /// What we do for the client.
    server: Option<Span>,
    /// What an upstream does for us; another one for each attempt.
    client: Option<Span>,
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = Spans;

    fn new_ctx(&self) -> Spans {
        Spans::default()
    }

    async fn early_request_filter(&self, session: &mut Session, spans: &mut Spans) -> Result<()> {
        spans.caller = caller(session.req_header());
        spans.server = Some(server_span(&self.tracer, session.req_header(), spans));
        Ok(())
    }

    async fn upstream_peer(
        &self,
        session: &mut Session,
        spans: &mut Spans,
    ) -> Result<Box<HttpPeer>> {
        let address = self
            .upstreams
            .first()
            .ok_or_else(|| Error::new(HTTPStatus(503)))?;
        // Begun before the connection is: that is waited for, too.
        spans.client = Some(client_span(
            &self.tracer,
            session.req_header(),
            *address,
            spans,
        ));
        let mut peer = HttpPeer::new(*address, false, String::new());
        peer.options.connection_timeout = Some(Duration::from_secs(1));
        peer.options.read_timeout = Some(Duration::from_secs(10));
        peer.options.write_timeout = Some(Duration::from_secs(10));
        Ok(Box::new(peer))
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        upstream_request: &mut RequestHeader,
        spans: &mut Spans,
    ) -> Result<()> {
        if spans.caller.is_none() {
            upstream_request.remove_header("tracestate");
        }
        match &spans.client {
            Some(span) => {
                upstream_request.insert_header("traceparent", traceparent(span.span_context()))
            }
            None => Ok(()),
        }
    }

    async fn upstream_response_filter(
        &self,
        _session: &mut Session,
        response: &mut ResponseHeader,
        spans: &mut Spans,
    ) -> Result<()> {
        // 100 and 103 come before the answer (RFC 9110, section 15.2), and Pingora calls for them too. 101 is an answer.
        if response.status.is_informational() && response.status != 101 {
            return Ok(());
        }
        if let Some(span) = &mut spans.client {
            upstream_answered(span, response.status.as_u16());
        }
        Ok(())
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, spans: &mut Spans) {
        let status = session
            .response_written()
            .map_or(0, |response| response.status.as_u16());
        if let Some(error) = error
            && let Some(span) = &mut spans.client
        {
            upstream_failed(span, error);
        }
        if let Some(span) = &mut spans.server {
            client_answered(span, status);
        }
        // A span ends when it is dropped: the inner one first, and both before the line that says so.
        spans.client = None;
        spans.server = None;
        log::info!("{} {status}", session.request_summary());
    }
}

// TODO 7.6: who is whose parent, on which side of a call is each span, and how did it end?
/// The span of the request as the client sees it: the caller's child.
fn server_span(tracer: &SdkTracer, request: &RequestHeader, spans: &Spans) -> Span {
    // Named by what is few: a path in the name makes a name of its own for each user.
    let method = request.method.to_string();
    let span = tracer
        .span_builder(method.clone())
        .with_kind(opentelemetry::trace::SpanKind::Server)
        .with_attributes([
            KeyValue::new("http.request.method", method),
            KeyValue::new("url.path", request.uri.path().to_owned()),
            KeyValue::new("url.scheme", "http"),
        ]);
    span.start_with_context(tracer, &below(spans.caller.as_ref()))
}

/// The span of the request that the upstream gets: a child of the server span.
fn client_span(
    tracer: &SdkTracer,
    request: &RequestHeader,
    upstream: SocketAddr,
    spans: &Spans,
) -> Span {
    let method = request.method.to_string();
    let span = tracer
        .span_builder(method.clone())
        .with_kind(opentelemetry::trace::SpanKind::Client)
        .with_attributes([
            KeyValue::new("http.request.method", method),
            KeyValue::new("server.address", upstream.ip().to_string()),
            KeyValue::new("server.port", i64::from(upstream.port())),
        ]);
    let server = spans.server.as_ref().map(|span| span.span_context());
    span.start_with_context(tracer, &below(server))
}

/// To a client each 4xx and 5xx is an error (OpenTelemetry's conventions for HTTP spans, "Status").
fn upstream_answered(span: &mut Span, status: u16) {
    span.set_attribute(KeyValue::new(
        "http.response.status_code",
        i64::from(status),
    ));
    if status >= 400 {
        failed(span, status.to_string());
    }
}

/// The upstream gave no answer, or not all of it. A client that leaves is not the upstream's failure.
fn upstream_failed(span: &mut Span, error: &Error) {
    if error.esource() != &pingora::ErrorSource::Downstream {
        failed(span, error.etype().as_str().to_owned());
    }
}

/// To a server a 4xx is the client's mistake and its own success.
fn client_answered(span: &mut Span, status: u16) {
    // Without an answer there is no status.
    if status > 0 {
        span.set_attribute(KeyValue::new(
            "http.response.status_code",
            i64::from(status),
        ));
    }
    if status >= 500 {
        failed(span, status.to_string());
    }
}

fn failed(span: &mut Span, why: String) {
    span.set_attribute(KeyValue::new("error.type", why));
    span.set_status(opentelemetry::trace::Status::error(""));
}
// END TODO

/// The context in which a span is started as the child of this one, or as the first of a trace.
fn below(parent: Option<&SpanContext>) -> Context {
    match parent {
        Some(parent) => Context::new().with_remote_span_context(parent.clone()),
        None => Context::new(),
    }
}

/// What the request's traceparent says, as in 7.5.
fn caller(request: &RequestHeader) -> Option<SpanContext> {
    let mut lines = request.headers.get_all("traceparent").iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return None;
    };
    let mut fields = line.to_str().ok()?.split('-');
    let version = hex(fields.next()?, 2)?;
    let trace = TraceId::from_hex(hex(fields.next()?, 32)?).ok()?;
    let span = SpanId::from_hex(hex(fields.next()?, 16)?).ok()?;
    let flags = u8::from_str_radix(hex(fields.next()?, 2)?, 16).ok()?;
    if version == "ff" || (version == "00" && fields.next().is_some()) {
        return None;
    }
    let flags = TraceFlags::new(flags) & TraceFlags::SAMPLED;
    // The state goes on as it came: only its owner can read it.
    let caller = SpanContext::new(trace, span, flags, true, TraceState::NONE);
    caller.is_valid().then_some(caller)
}

fn hex(text: &str, digits: usize) -> Option<&str> {
    let lower = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (text.len() == digits && text.bytes().all(lower)).then_some(text)
}

fn traceparent(span: &SpanContext) -> String {
    let (trace, id) = (span.trace_id(), span.span_id());
    format!("00-{trace}-{id}-{:02x}", u8::from(span.is_sampled()))
}

/// Makes spans, and exports them if `OTEL_EXPORTER_OTLP_ENDPOINT` says where to. The SDK reads the sampler and the
/// limits of its queue from `OTEL_TRACES_SAMPLER` and `OTEL_BSP_*`.
fn provider(runtime: &Runtime) -> Result<SdkTracerProvider, String> {
    let provider = SdkTracerProvider::builder();
    if std::env::var_os("OTEL_EXPORTER_OTLP_ENDPOINT").is_none_or(|endpoint| endpoint.is_empty()) {
        return Ok(provider.build());
    }
    // The exporter's connection is a task of the runtime in which it is made (tonic, transport/channel/mod.rs).
    let _entered = runtime.enter();
    let exporter = SpanExporter::builder()
        .with_tonic()
        .build()
        .map_err(|error| format!("OTEL_EXPORTER_OTLP_ENDPOINT: {error}"))?;
    // TODO 7.6: who waits for the collector?
    // A thread of the SDK: `logging` only puts the span into its queue, or drops it when that is full.
    Ok(provider.with_batch_exporter(exporter).build())
    // END TODO
}

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let upstreams = upstreams::from_env();

    // A runtime of its own: Pingora's end before the last spans are exported.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap_or_else(|error| stop(&error.to_string()));
    let provider = provider(&runtime).unwrap_or_else(|error| stop(&error));
    let tracer = provider.tracer("edge");

    let conf = ServerConf {
        grace_period_seconds: Some(1),
        graceful_shutdown_timeout_seconds: Some(1),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(Opt::parse_args(), conf);
    server.bootstrap();

    let mut proxy = http_proxy_service(&server.configuration, Edge { upstreams, tracer });
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -s http://{listen}/ | grep -i trace");
    server.run(RunArgs::default());
    // TODO 7.6: what is in the queue now?
    // The last spans, and they are the ones that say what the stop did. A collector that is stuck gets 2 s.
    if let Err(error) = provider.shutdown_with_timeout(Duration::from_secs(2)) {
        log::warn!("the last spans were not exported: {error}");
    }
    // END TODO
    runtime.shutdown_background();
}

fn stop(why: &str) -> ! {
    eprintln!("cannot start: {why}");
    std::process::exit(2)
}
