//! An OpenTelemetry collector that keeps what it is sent: OTLP over gRPC on a free port.

#![allow(
    clippy::expect_used,
    reason = "a check whose collector does not start has nothing to judge"
)]

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::any_value::Value,
    trace::v1::Span,
};
use tonic::{
    Request, Response, Status, async_trait,
    transport::{Server, server::TcpIncoming},
};

/// What arrived, one element for each export.
type Exports = Arc<Mutex<Vec<Vec<Span>>>>;

/// Ends with the test's runtime.
pub(crate) struct Collector {
    address: SocketAddr,
    exports: Exports,
}

struct Service {
    exports: Exports,
    /// Whether it says that it could not take what it was sent.
    refuses: bool,
}

#[async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let spans = request.into_inner().resource_spans.into_iter();
        let spans = spans
            .flat_map(|resource| resource.scope_spans)
            .flat_map(|scope| scope.spans)
            .collect();
        let mut exports = self.exports.lock().unwrap_or_else(PoisonError::into_inner);
        exports.push(spans);
        if self.refuses {
            return Err(Status::unavailable("the disk is full"));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    /// Takes whatever it is sent.
    pub(crate) fn start() -> Self {
        Self::new(false)
    }

    /// Answers each export with an error.
    pub(crate) fn broken() -> Self {
        Self::new(true)
    }

    fn new(refuses: bool) -> Self {
        let exports = Exports::default();
        let service = TraceServiceServer::new(Service {
            exports: Arc::clone(&exports),
            refuses,
        });
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let bound =
            TcpIncoming::bind(free).and_then(|incoming| Ok((incoming.local_addr()?, incoming)));
        lab::expect(bound.is_ok(), "a free port for the collector");
        let Ok((address, incoming)) = bound else {
            std::process::abort()
        };
        tokio::spawn(
            Server::builder()
                .add_service(service)
                .serve_with_incoming(incoming),
        );
        Self { address, exports }
    }

    /// For `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How often something was exported so far.
    pub(crate) fn exports(&self) -> usize {
        self.lock().len()
    }

    /// All spans so far.
    pub(crate) fn spans(&self) -> Vec<Span> {
        self.lock().iter().flatten().cloned().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Vec<Span>>> {
        self.exports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The value of an attribute as text, whatever its type.
pub(crate) fn attribute(span: &Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|one| one.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        Value::BoolValue(yes) => Some(yes.to_string()),
        Value::DoubleValue(number) => Some(number.to_string()),
        other => Some(format!("{other:?}")),
    }
}

/// An id as it stands in traceparent.
pub(crate) fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A span in one line, to be shown when an expectation fails.
pub(crate) fn show(span: &Span) -> String {
    let attributes: Vec<String> = span
        .attributes
        .iter()
        .map(|one| {
            let value = attribute(span, &one.key).unwrap_or_default();
            format!("{}={value}", one.key)
        })
        .collect();
    format!(
        "{} {:?} {} under {:?} in {}: {:?} {}",
        span.name,
        span.kind(),
        hex(&span.span_id),
        hex(&span.parent_span_id),
        hex(&span.trace_id),
        span.status.as_ref().map(|status| status.code()),
        attributes.join(" ")
    )
}
