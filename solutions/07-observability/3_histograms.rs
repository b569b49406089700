//! 7.3 Where the time goes: connecting, waiting for the upstream, the whole request, and the proxy itself.

use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use env_logger::Env;
use http::{Response, StatusCode, header::CONTENT_LENGTH};
use pingora::{
    Error,
    ErrorType::HTTPStatus,
    Result,
    apps::http_app::{HttpServer, ServeHttp},
    http::{RequestHeader, ResponseHeader},
    prelude::HttpPeer,
    protocols::{Digest, http::ServerSession},
    proxy::{ProxyHttp, Session, http_proxy_service},
    server::{Server, configuration::Opt},
    services::listening::Service,
};
use pingora_prometheus::PrometheusHttpApp;
use prometheus::{Histogram, exponential_buckets, register_histogram};

struct Edge {
    upstreams: Vec<SocketAddr>,
    /// Stands for what your own rules do with a request before it goes on: so long it takes them.
    rules: Duration,
    metrics: Metrics,
}

struct Metrics {
    duration: Histogram,
    connect: Histogram,
    first_byte: Histogram,
    proxy: Histogram,
}

impl Metrics {
    fn register() -> prometheus::Result<Self> {
        // 100 µs to 13 s. The usual buckets begin at 5 ms: all that a proxy does by itself would be in the first.
        let buckets = exponential_buckets(0.000_1, 2.0, 18)?;
        let histogram = |name: &str, help: &str| register_histogram!(name, help, buckets.clone());
        Ok(Self {
            duration: histogram(
                "edge_request_duration_seconds",
                "From the header of a request to the end of its answer.",
            )?,
            connect: histogram(
                "edge_upstream_connect_seconds",
                "To open a new connection to an upstream.",
            )?,
            first_byte: histogram(
                "edge_upstream_first_byte_seconds",
                "From a connection for a request to the header of the upstream's answer.",
            )?,
            proxy: histogram(
                "edge_proxy_seconds",
                "From the header of a request to that of its answer, without waiting for the upstream.",
            )?,
        })
    }
}

// TODO 7.3: which moments are needed later?
/// What is known of one request.
struct Ctx {
    begun: Instant,
    /// When the upstream was chosen.
    chosen: Option<Instant>,
    /// When there was a connection for the request.
    connected: Option<Instant>,
    /// What the proxy waited for the upstream: to connect, and for the header of its answer.
    waited: Duration,
}
// END TODO

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = Ctx;

    fn new_ctx(&self) -> Ctx {
        // TODO 7.3: only this one is known.
        Ctx {
            begun: Instant::now(),
            chosen: None,
            connected: None,
            waited: Duration::ZERO,
        }
        // END TODO
    }

    async fn request_filter(&self, session: &mut Session, _ctx: &mut Ctx) -> Result<bool> {
        tokio::time::sleep(self.rules).await;
        if session.req_header().uri.path() != "/healthz" {
            return Ok(false);
        }
        let mut header = ResponseHeader::build(200, Some(1))?;
        header.set_content_length(0)?;
        session
            .write_response_header(Box::new(header), true)
            .await?;
        Ok(true)
    }

    async fn upstream_peer(&self, _session: &mut Session, ctx: &mut Ctx) -> Result<Box<HttpPeer>> {
        let Some(upstream) = self.upstreams.first() else {
            return Error::e_explain(HTTPStatus(503), "no upstream");
        };
        // TODO 7.3: what begins here?
        ctx.chosen = Some(Instant::now());
        // END TODO
        let mut peer = HttpPeer::new(upstream, false, String::new());
        peer.options.connection_timeout = Some(Duration::from_secs(3));
        peer.options.read_timeout = Some(Duration::from_secs(30));
        Ok(Box::new(peer))
    }

    async fn connected_to_upstream(
        &self,
        _session: &mut Session,
        reused: bool,
        _peer: &HttpPeer,
        _fd: RawFd,
        _digest: Option<&Digest>,
        ctx: &mut Ctx,
    ) -> Result<()> {
        // TODO 7.3: how long did it take to connect, and did it?
        if let Some(connect) = ctx.chosen.map(|chosen| chosen.elapsed()) {
            ctx.waited += connect;
            if !reused {
                self.metrics.connect.observe(connect.as_secs_f64());
            }
        }
        ctx.connected = Some(Instant::now());
        // END TODO
        Ok(())
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        request: &mut RequestHeader,
        _ctx: &mut Ctx,
    ) -> Result<()> {
        request.insert_header("via", "1.1 edge")
    }

    async fn upstream_response_filter(
        &self,
        _session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        if is_interim(response) {
            return Ok(());
        }
        // TODO 7.3: the header of the answer. What was it that took so long?
        if let Some(first_byte) = ctx.connected.map(|connected| connected.elapsed()) {
            ctx.waited += first_byte;
            self.metrics.first_byte.observe(first_byte.as_secs_f64());
        }
        // END TODO
        Ok(())
    }

    async fn response_filter(
        &self,
        _session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        if is_interim(response) {
            return Ok(());
        }
        response.insert_header("x-edge", "1")?;
        // TODO 7.3: the header goes out. What of the time until now was the proxy's own?
        let own = ctx.begun.elapsed().saturating_sub(ctx.waited);
        self.metrics.proxy.observe(own.as_secs_f64());
        // END TODO
        Ok(())
    }

    async fn logging(&self, session: &mut Session, _error: Option<&Error>, ctx: &mut Ctx) {
        let duration = ctx.begun.elapsed();
        // TODO 7.3: the request is over.
        self.metrics.duration.observe(duration.as_secs_f64());
        // END TODO
        let status = session.response_written().map(|it| it.status.as_u16());
        log::info!("status={status:?} duration={duration:?}");
    }
}

/// 100 and 103 come before the answer (RFC 9110, section 15.2), and Pingora calls for them too. 101 is an answer.
fn is_interim(response: &ResponseHeader) -> bool {
    response.status.is_informational() && response.status != 101
}

/// Serves `/metrics`, and nothing else: Pingora's own app gives its page at every path (pingora-prometheus, lib.rs).
struct Admin;

#[async_trait]
impl ServeHttp for Admin {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        if session.req_header().uri.path() == "/metrics" {
            return PrometheusHttpApp.response(session).await;
        }
        let body = b"the metrics are at /metrics\n".to_vec();
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::NOT_FOUND;
        let length = response.body().len().into();
        response.headers_mut().insert(CONTENT_LENGTH, length);
        response
    }
}

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let admin = upstreams::listen("ADMIN", "127.0.0.1:6190");
    let upstreams = upstreams::from_env();
    let rules = milliseconds("RULES_MS", 1);
    let metrics = Metrics::register().unwrap_or_else(|error| {
        eprintln!("cannot register the metrics: {error}");
        std::process::exit(2)
    });

    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(|error| {
        eprintln!("cannot start: {error}");
        std::process::exit(2)
    });
    server.bootstrap();

    let edge = Edge {
        upstreams,
        rules,
        metrics,
    };
    let mut proxy = http_proxy_service(&server.configuration, edge);
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    let mut metrics = Service::new("metrics".to_owned(), HttpServer::new_app(Admin));
    metrics.add_tcp(&admin);
    server.add_service(metrics);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -s http://{listen}/delay/300");
    println!("  curl -s http://{admin}/metrics | grep -E '_(sum|count)'");
    server.run_forever();
}

/// A time from the environment.
fn milliseconds(variable: &str, default: u64) -> Duration {
    let Ok(text) = std::env::var(variable) else {
        return Duration::from_millis(default);
    };
    match text.parse() {
        Ok(milliseconds @ 1..) => Duration::from_millis(milliseconds),
        _ => {
            eprintln!(
                "{variable}: {text:?} is not a number of milliseconds above 0, as in {variable}={default}"
            );
            std::process::exit(2)
        }
    }
}
