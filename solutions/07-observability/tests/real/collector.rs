//! An OpenTelemetry collector that keeps what it is sent: OTLP over gRPC on a free port.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{ResourceSpans, Span, span::SpanKind, status::StatusCode},
};
use tonic::{
    Request, Response, Status, async_trait,
    transport::{Server, server::TcpIncoming},
};

/// Ends with the test's runtime.
pub(crate) struct Collector {
    address: SocketAddr,
    received: Received,
}

#[derive(Clone, Default)]
struct Received(Arc<Mutex<Vec<ResourceSpans>>>);

impl Collector {
    pub(crate) fn start() -> Self {
        let received = Received::default();
        let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into()).expect("a free port");
        let address = incoming.local_addr().expect("a bound socket");
        let service = TraceServiceServer::new(received.clone());
        let server = Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(incoming));
        Self { address, received }
    }

    /// For `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What the exporter says of itself.
    pub(crate) fn resource(&self) -> BTreeMap<String, String> {
        let all = self.received.all();
        let resource = all.first().and_then(|it| it.resource.clone());
        attributes(&resource.unwrap_or_default().attributes)
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        let scopes = self
            .received
            .all()
            .into_iter()
            .flat_map(|it| it.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }
}

impl Received {
    fn all(&self) -> Vec<ResourceSpans> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.clone()
    }
}

#[async_trait]
impl TraceService for Received {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let spans = request.into_inner().resource_spans;
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(spans);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

pub(crate) fn attributes(list: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |it: &KeyValue| match it.value.clone().and_then(|it| it.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(is)) => is.to_string(),
        other => format!("{other:?}"),
    };
    list.iter().map(|it| (it.key.clone(), text(it))).collect()
}

pub(crate) fn attribute(span: &Span, name: &str) -> Option<String> {
    attributes(&span.attributes).remove(name)
}

pub(crate) fn is_error(span: &Span) -> bool {
    let status = span.status.clone().unwrap_or_default();
    status.code() == StatusCode::Error
}

pub(crate) fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The spans as a tree, one a line, children below their parent in the order in which they began.
pub(crate) fn tree(spans: &[Span]) -> String {
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
        let kind = SpanKind::try_from(span.kind).map_or("?", |it| it.as_str_name());
        let micros = (span.end_time_unix_nano - span.start_time_unix_nano) / 1_000;
        let error = if is_error(span) { " ERROR" } else { "" };
        let attributes = attributes(&span.attributes);
        let indent = "  ".repeat(depth);
        *text += &format!(
            "{indent}{} [{kind}{error}] {micros} us {attributes:?}\n",
            span.name
        );
        let next = spans.iter().filter(|it| it.parent_span_id == span.span_id);
        below(spans, next.collect(), depth + 1, text);
    }
}
