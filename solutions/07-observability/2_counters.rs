//! 7.2 Counters by template: as many series as there are routes, whatever clients ask for.

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
use prometheus::{IntCounterVec, register_int_counter_vec};

/// What this proxy knows of its paths. A part in braces stands for one segment.
const ROUTES: [&str; 5] = [
    "/users/{id}",
    "/users/{id}/orders/{order}",
    "/status/{code}",
    "/close",
    "/healthz",
];

struct Edge {
    upstreams: Vec<SocketAddr>,
    metrics: Metrics,
}

struct Metrics {
    requests: IntCounterVec,
    sent: IntCounterVec,
}

impl Metrics {
    fn register() -> prometheus::Result<Self> {
        let requests = register_int_counter_vec!(
            "edge_requests_total",
            "Requests that are over, by route, method and class of the status.",
            &["route", "method", "status"]
        )?;
        // TODO 7.2: a name says the unit, which is a base unit, and that it is a counter.
        let sent = register_int_counter_vec!(
            "edge_response_body_bytes_total",
            "Bytes of the bodies of answers that were sent to clients.",
            &["route"]
        )?;
        // END TODO
        Ok(Self { requests, sent })
    }
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn request_filter(&self, session: &mut Session, _ctx: &mut ()) -> Result<bool> {
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

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        let Some(upstream) = self.upstreams.first() else {
            return Error::e_explain(HTTPStatus(503), "no upstream");
        };
        let mut peer = HttpPeer::new(upstream, false, String::new());
        peer.options.connection_timeout = Some(Duration::from_secs(3));
        peer.options.read_timeout = Some(Duration::from_secs(30));
        Ok(Box::new(peer))
    }

    /// Runs once for every request that was readable, however it ended.
    async fn logging(&self, session: &mut Session, _error: Option<&Error>, _ctx: &mut ()) {
        // TODO 7.2: count with labels of which there are few.
        let route = route(session.req_header().uri.path());
        let method = method(session.req_header().method.as_str());
        let status = class(session.response_written().map(|it| it.status.as_u16()));
        // `with_label_values` would panic if the number of labels were wrong.
        let labels = [route, method, status];
        if let Ok(counter) = self.metrics.requests.get_metric_with_label_values(&labels) {
            counter.inc();
        }
        if let Ok(counter) = self.metrics.sent.get_metric_with_label_values(&[route]) {
            counter.inc_by(session.body_bytes_sent() as u64);
        }
        // END TODO
    }
}

// TODO 7.2: what stands for a path, a method and a status.
/// The template of a path. The values are constants: no client can add one.
fn route(path: &str) -> &'static str {
    let found = ROUTES.into_iter().find(|template| matches(template, path));
    found.unwrap_or("other")
}

fn matches(template: &str, path: &str) -> bool {
    let (mut parts, mut segments) = (template.split('/'), path.split('/'));
    loop {
        match (parts.next(), segments.next()) {
            (None, None) => return true,
            (Some(part), Some(segment)) if part == segment => {}
            (Some(part), Some(segment)) if part.starts_with('{') && !segment.is_empty() => {}
            _ => return false,
        }
    }
}

/// A method is any token that a client invents (RFC 9110, section 9.1). These are those of RFC 9110 and RFC 5789.
fn method(method: &str) -> &'static str {
    const KNOWN: [&str; 9] = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT",
    ];
    let found = KNOWN.into_iter().find(|known| *known == method);
    found.unwrap_or("other")
}

fn class(status: Option<u16>) -> &'static str {
    match status {
        None => "none",
        Some(100..=199) => "1xx",
        Some(200..=299) => "2xx",
        Some(300..=399) => "3xx",
        Some(400..=499) => "4xx",
        // A status above 599 is to be taken for an error of the server (RFC 9110, section 15).
        Some(_) => "5xx",
    }
}
// END TODO

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
    let metrics = Metrics::register().unwrap_or_else(|error| {
        eprintln!("cannot register the metrics: {error}");
        std::process::exit(2)
    });

    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(|error| {
        eprintln!("cannot start: {error}");
        std::process::exit(2)
    });
    server.bootstrap();

    let edge = Edge { upstreams, metrics };
    let mut proxy = http_proxy_service(&server.configuration, edge);
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    let mut metrics = Service::new("metrics".to_owned(), HttpServer::new_app(Admin));
    metrics.add_tcp(&admin);
    server.add_service(metrics);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -s http://{listen}/users/7");
    println!("  curl -s http://{admin}/metrics");
    server.run_forever();
}
