//! Takes the spans to a collector, in batches, from a thread of its own. What the collector does never reaches a request:
//! a queue of bounded length lies between, and what does not fit is dropped.

use std::{error::Error, time::Duration};

use log::{info, warn};
use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_otlp::SpanExporter as Otlp;
use opentelemetry_sdk::{
    Resource,
    error::{OTelSdkError, OTelSdkResult},
    trace::{BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider, SpanData, SpanExporter},
};
use pingora_prometheus::prometheus::IntCounterVec;
use tokio::runtime::{Builder, Handle, Runtime};

/// One batch, its retries included. The exporter's own limit does not hold while it connects.
const EXPORT: Duration = Duration::from_secs(15);
/// At a stop: `docker stop` kills after ten seconds.
const FLUSH: Duration = Duration::from_secs(3);

pub(crate) struct Tracing {
    provider: SdkTracerProvider,
    runtime: Option<Runtime>,
}

impl Tracing {
    /// With `export`, spans go where the `OTEL_` variables say. Without, there are ids and headers and nothing more.
    ///
    /// # Errors
    /// A variable cannot be used.
    pub(crate) fn start(export: bool, counts: IntCounterVec) -> Result<Self, Box<dyn Error>> {
        // The sampler is what OTEL_TRACES_SAMPLER says, or parent-based (opentelemetry_sdk, trace/config.rs).
        let mut provider = SdkTracerProvider::builder().with_resource(resource());
        let runtime = export.then(runtime).transpose()?;
        if let Some(runtime) = &runtime {
            // The exporter's connection lives on the runtime it is built in (tonic, `connect_lazy`), and Pingora's start
            // later. The processor's thread has none.
            let _inside = runtime.enter();
            let watched = Watched {
                exporter: Otlp::builder().with_tonic().build()?,
                runtime: runtime.handle().clone(),
                counts,
                failing: false.into(),
            };
            provider = provider.with_span_processor(BatchSpanProcessor::builder(watched).build());
        } else {
            // Who records nothing must not promise it to those behind: they would keep parts of a trace without a root.
            provider = provider.with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOff)));
        }
        let provider = provider.build();
        Ok(Self { provider, runtime })
    }

    pub(crate) fn tracer(&self) -> SdkTracer {
        self.provider.tracer("edge")
    }

    /// Sends what still waits, for as long as a stop can take.
    pub(crate) fn stop(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(FLUSH) {
            warn!("the last spans were not exported: {error}");
        }
        if let Some(runtime) = self.runtime {
            runtime.shutdown_background();
        }
    }
}

fn runtime() -> std::io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("otlp")
        .enable_all()
        .build()
}

/// Who we are: `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`.
fn resource() -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder().with_attribute(version);
    let named = std::env::var_os("OTEL_SERVICE_NAME").is_some()
        || std::env::var("OTEL_RESOURCE_ATTRIBUTES").is_ok_and(|it| it.contains("service.name="));
    if named {
        resource.build()
    } else {
        resource.with_service_name("edge").build()
    }
}

/// Says whether spans arrive. By itself the SDK tells nobody.
#[derive(Debug)]
struct Watched {
    exporter: Otlp,
    runtime: Handle,
    counts: IntCounterVec,
    failing: std::sync::atomic::AtomicBool,
}

impl Watched {
    fn count(&self, spans: usize, result: &OTelSdkResult) {
        let label = if result.is_ok() { "exported" } else { "failed" };
        let spans = u64::try_from(spans).unwrap_or(u64::MAX);
        self.counts.with_label_values(&[label]).inc_by(spans);
        // One line for a change, not one for each batch.
        let failed_before = self
            .failing
            .swap(result.is_err(), std::sync::atomic::Ordering::Relaxed);
        match result {
            Err(error) if !failed_before => warn!("spans are not exported: {error}"),
            Ok(()) if failed_before => info!("spans are exported again"),
            _ => {}
        }
    }
}

impl SpanExporter for Watched {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let limited = {
            let _inside = self.runtime.enter();
            tokio::time::timeout(EXPORT, self.exporter.export(batch))
        };
        let result = limited.await.unwrap_or(Err(OTelSdkError::Timeout(EXPORT)));
        self.count(spans, &result);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
