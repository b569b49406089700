//! 7.7 Noise: a client that goes away is counted. Only what somebody should look at is logged as an error, once.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use env_logger::Env;
use http::{Response, StatusCode, header::CONTENT_LENGTH};
use log::Level;
use pingora::{
    Error, ErrorSource,
    ErrorType::{
        ConnectTimedout, ConnectionClosed, HTTPStatus, ReadError, ReadTimedout, WriteError,
        WriteTimedout,
    },
    Result,
    apps::http_app::{HttpServer, ServeHttp},
    prelude::HttpPeer,
    protocols::http::ServerSession,
    proxy::{FailToProxy, ProxyHttp, Session, http_proxy_service},
    server::{Server, configuration::Opt},
    services::listening::Service,
};
use pingora_prometheus::PrometheusHttpApp;
use prometheus::{IntCounter, register_int_counter};

struct Edge {
    upstream: SocketAddr,
    aborts: IntCounter,
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        let mut peer = HttpPeer::new(self.upstream, false, String::new());
        peer.options.connection_timeout = Some(Duration::from_secs(3));
        peer.options.total_connection_timeout = Some(Duration::from_secs(5));
        peer.options.read_timeout = Some(Duration::from_secs(30));
        peer.options.write_timeout = Some(Duration::from_secs(30));
        Ok(Box::new(peer))
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        _ctx: &mut (),
    ) -> FailToProxy {
        let status = status_for(error);
        if status > 0 {
            // A client that has gone meanwhile needs no answer.
            _ = session.respond_error(status).await;
        }
        FailToProxy {
            error_code: status,
            can_reuse_downstream: false,
        }
    }

    // TODO 7.7: one line for each request. At which level, and who else writes one?
    async fn logging(&self, session: &mut Session, error: Option<&Error>, _ctx: &mut ()) {
        if error.is_some_and(is_abort) {
            self.aborts.inc();
        }
        let level = if error.is_some() {
            Level::Error
        } else {
            Level::Info
        };
        let status = session.response_written().map(|it| it.status.as_u16());
        let error = error.map(|it| it.etype().as_str());
        log::log!(level, "status={status:?} error={error:?}");
    }
    // END TODO
}

// TODO 7.7: who is a client that goes away?
/// Whether it happened on the client's side.
fn is_abort(error: &Error) -> bool {
    error.esource() == &ErrorSource::Downstream
}
// END TODO

/// The status for an error (RFC 9110, section 15.6); 0 when the client is gone and cannot be told.
fn status_for(error: &Error) -> u16 {
    match (error.esource(), error.etype()) {
        (_, HTTPStatus(status)) => *status,
        (ErrorSource::Upstream, ConnectTimedout | ReadTimedout | WriteTimedout) => 504,
        (ErrorSource::Upstream, _) => 502,
        (ErrorSource::Downstream, ConnectionClosed | ReadError | WriteError) => 0,
        (ErrorSource::Downstream, _) => 400,
        (ErrorSource::Internal | ErrorSource::Unset, _) => 500,
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
    let Some(&upstream) = upstreams::from_env().first() else {
        eprintln!("UPSTREAMS: no address is named, as in UPSTREAMS=127.0.0.1:8081");
        std::process::exit(2)
    };
    let help = "Clients that went away before their request was over.";
    let aborts = register_int_counter!("edge_client_aborts_total", help).unwrap_or_else(|error| {
        eprintln!("cannot register the metrics: {error}");
        std::process::exit(2)
    });

    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(|error| {
        eprintln!("cannot start: {error}");
        std::process::exit(2)
    });
    server.bootstrap();

    let mut proxy = http_proxy_service(&server.configuration, Edge { upstream, aborts });
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    let mut metrics = Service::new("metrics".to_owned(), HttpServer::new_app(Admin));
    metrics.add_tcp(&admin);
    server.add_service(metrics);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -s -m 1 http://{listen}/drip/20");
    println!("  curl -s http://{admin}/metrics");
    server.run_forever();
}
