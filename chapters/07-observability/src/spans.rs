//! The spans of one request: what the client waited for (server), each try at an upstream (client), and within a try the
//! wait for a connection (internal).

use std::{net::SocketAddr, time::SystemTime};

use opentelemetry::{
    Context, KeyValue,
    trace::{Span as _, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt, Tracer as _},
};
use opentelemetry_sdk::trace::{SdkTracer, Span};

/// The open spans. One that is dropped ends where it is dropped.
pub(crate) struct Spans {
    tracer: SdkTracer,
    server: Option<Span>,
    upstream: Option<Span>,
    connect: Option<Span>,
}

impl Spans {
    pub(crate) fn new(tracer: SdkTracer) -> Self {
        Self {
            tracer,
            server: None,
            upstream: None,
            connect: None,
        }
    }

    /// Begins the server's span, as a child of what the client named. What the sampler decides here holds for all.
    pub(crate) fn begin(&mut self, name: String, attributes: Vec<KeyValue>, parent: SpanContext) {
        self.server = Some(self.start(name, SpanKind::Server, attributes, parent));
    }

    /// Begins a try: "a client span for each attempt" (OpenTelemetry, HTTP spans, "HTTP request retries").
    pub(crate) fn begin_try(&mut self, method: &'static str, to: SocketAddr, resend: usize) {
        let mut attributes = vec![
            KeyValue::new("http.request.method", method),
            KeyValue::new("server.address", to.ip().to_string()),
            KeyValue::new("server.port", i64::from(to.port())),
        ];
        if let Ok(count @ 1..) = i64::try_from(resend) {
            attributes.push(KeyValue::new("http.request.resend_count", count));
        }
        let name = if method == OTHER_METHOD {
            "HTTP"
        } else {
            method
        };
        let span = self.start(name.into(), SpanKind::Client, attributes, self.context());
        let connect = self.start(
            "connect".into(),
            SpanKind::Internal,
            Vec::new(),
            span.span_context().clone(),
        );
        self.upstream = Some(span);
        self.connect = Some(connect);
    }

    pub(crate) fn connected(&mut self, reused: bool) {
        if let Some(mut span) = self.connect.take() {
            span.set_attribute(KeyValue::new("edge.connection.reused", reused));
            span.end();
        }
    }

    /// The upstream's status. Any 4xx or 5xx is an error for who asked (OpenTelemetry, HTTP spans, "Status").
    pub(crate) fn answered(&mut self, status: u16) {
        if let Some(span) = &mut self.upstream {
            set_status_code(span, status);
            if status >= 400 {
                fail(span, status.to_string());
            }
        }
    }

    /// Ends a try. `error` says what went wrong with it, if the upstream did.
    pub(crate) fn end_try(&mut self, error: Option<&'static str>) {
        for mut span in [self.connect.take(), self.upstream.take()]
            .into_iter()
            .flatten()
        {
            if let Some(error) = error {
                fail(&mut span, error.to_owned());
            }
            span.end();
        }
    }

    /// Ends what is still open. A 4xx is the client's error and none of the server's.
    pub(crate) fn end(&mut self, status: Option<u16>, error: Option<&'static str>) {
        self.end_try(error);
        let Some(mut span) = self.server.take() else {
            return;
        };
        if let Some(status) = status {
            set_status_code(&mut span, status);
        }
        match (error, status) {
            (Some(error), _) => fail(&mut span, error.to_owned()),
            (None, Some(status @ 500..)) => fail(&mut span, status.to_string()),
            _ => {}
        }
        span.end_with_timestamp(SystemTime::now());
    }

    /// The server's span, for the log.
    pub(crate) fn context(&self) -> SpanContext {
        context(self.server.as_ref())
    }

    /// The span of the try, which is the upstream's parent.
    pub(crate) fn try_context(&self) -> SpanContext {
        context(self.upstream.as_ref())
    }

    fn start(
        &self,
        name: String,
        kind: SpanKind,
        attributes: Vec<KeyValue>,
        parent: SpanContext,
    ) -> Span {
        let builder = SpanBuilder::from_name(name)
            .with_kind(kind)
            .with_attributes(attributes);
        // Not `Context::current`, which belongs to the thread: a request changes threads at any await. And not a parent
        // that is none: the sampler would take it for one that was not sampled (opentelemetry_sdk, trace/sampler.rs).
        let none = Context::new();
        let parent = match parent.is_valid() {
            true => none.with_remote_span_context(parent),
            false => none,
        };
        self.tracer.build_with_context(builder, &parent)
    }
}

/// How a method is named that the semantic conventions do not know.
pub(crate) const OTHER_METHOD: &str = "_OTHER";

fn context(span: Option<&Span>) -> SpanContext {
    span.map_or_else(SpanContext::empty_context, |it| it.span_context().clone())
}

fn set_status_code(span: &mut Span, status: u16) {
    let status = KeyValue::new("http.response.status_code", i64::from(status));
    span.set_attribute(status);
}

fn fail(span: &mut Span, error: String) {
    span.set_attribute(KeyValue::new("error.type", error));
    span.set_status(Status::error(""));
}
