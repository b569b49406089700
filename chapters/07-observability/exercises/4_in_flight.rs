//! 7.4 In flight: how many requests are there right now? The gauge is back at zero after every kind of ending.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use env_logger::Env;
use http::{Response, StatusCode, header::CONTENT_LENGTH};
use pingora::{
    Error,
    ErrorType::HTTPStatus,
    Result,
    apps::http_app::{HttpServer, ServeHttp},
    http::ResponseHeader,
    prelude::HttpPeer,
    protocols::http::ServerSession,
    proxy::{ProxyHttp, Session, http_proxy_service},
    server::{Server, configuration::Opt},
    services::listening::Service,
};
use pingora_prometheus::PrometheusHttpApp;
use prometheus::{IntGauge, register_int_gauge};

struct Edge {
    upstreams: Vec<SocketAddr>,
    read_timeout: Duration,
    in_flight: IntGauge,
}

// TODO 7.4: what is there for as long as the request is?
/// What is known of one request.
struct Ctx {
    tries: usize,
}
// END TODO

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = Ctx;

    /// Runs when the header of a request was read (pingora-proxy, lib.rs): an idle connection has no context.
    fn new_ctx(&self) -> Ctx {
        // TODO 7.4: the request begins.
        self.in_flight.inc();
        Ctx { tries: 0 }
        // END TODO
    }

    async fn request_filter(&self, session: &mut Session, _ctx: &mut Ctx) -> Result<bool> {
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
        let Some(upstream) = self.upstreams.get(ctx.tries) else {
            return Error::e_explain(HTTPStatus(502), "no upstream is left to try");
        };
        ctx.tries += 1;
        let mut peer = HttpPeer::new(upstream, false, String::new());
        peer.options.connection_timeout = Some(Duration::from_secs(3));
        peer.options.read_timeout = Some(self.read_timeout);
        Ok(Box::new(peer))
    }

    /// Nothing was sent yet: the next upstream can have the request.
    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        _ctx: &mut Ctx,
        mut error: Box<Error>,
    ) -> Box<Error> {
        error.set_retry(true);
        error
    }

    async fn response_filter(
        &self,
        _session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        // TODO 7.4: the answer is here. Is the request over?
        self.in_flight.dec();
        // END TODO
        response.insert_header("x-tries", ctx.tries)
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Ctx) {
        // TODO 7.4: who gets here, and who got here before?
        // Given back already.
        // END TODO
        let status = session.response_written().map(|it| it.status.as_u16());
        let error = error.map(|it| it.etype().as_str());
        let tries = ctx.tries;
        log::info!("status={status:?} tries={tries} error={error:?}");
    }
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
    let read_timeout = milliseconds("READ_TIMEOUT_MS", 30_000);
    let help = "Requests that have begun and are not over.";
    let in_flight = register_int_gauge!("edge_requests_in_flight", help).unwrap_or_else(|error| {
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
        read_timeout,
        in_flight,
    };
    let mut proxy = http_proxy_service(&server.configuration, edge);
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    let mut metrics = Service::new("metrics".to_owned(), HttpServer::new_app(Admin));
    metrics.add_tcp(&admin);
    server.add_service(metrics);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -s http://{listen}/drip/5");
    println!("  curl -s http://{admin}/metrics");
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
