//! An OpenTelemetry collector that keeps what it is sent: OTLP over gRPC on a free port.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{ResourceSpans, Span},
};
use tonic::{
    Request, Response, Status, async_trait,
    transport::{Server, server::TcpIncoming},
};

/// What arrived, one element for each export.
type Exports = Arc<Mutex<Vec<Vec<ResourceSpans>>>>;

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
        let spans = request.into_inner().resource_spans;
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

    /// All exports so far, each with who sent it.
    pub(crate) fn exports(&self) -> Vec<Vec<ResourceSpans>> {
        let exports = self.exports.lock().unwrap_or_else(PoisonError::into_inner);
        exports.clone()
    }

    /// All spans so far.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let scopes = self.exports().into_iter().flatten();
        let scopes = scopes.flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }
}

/// The value of the attribute of this name, as text.
pub(crate) fn attribute(list: &[KeyValue], name: &str) -> Option<String> {
    list.iter().find(|one| one.key == name).and_then(text)
}

/// `name=value` for each.
pub(crate) fn attributes(list: &[KeyValue]) -> String {
    let shown = list.iter().map(|one| {
        let value = text(one).unwrap_or_default();
        format!("{}={value}", one.key)
    });
    Vec::from_iter(shown).join(" ")
}

/// The value as text, whatever its type.
fn text(attribute: &KeyValue) -> Option<String> {
    match attribute.value.as_ref()?.value.as_ref()? {
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
