//! 5.2 HTTP check: a backend is up when it says so, in its own words, in time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use env_logger::Env;
use pingora::{
    Error,
    ErrorType::{Custom, HTTPStatus},
    Result,
    connectors::http::Connector,
    http::{RequestHeader, ResponseHeader},
    prelude::HttpPeer,
    protocols::http::client::HttpSession,
    proxy::{ProxyHttp, Session, http_proxy_service},
    server::{Server, configuration::Opt},
    services::background::background_service,
};
use pingora_load_balancing::{
    Backend, LoadBalancer, health_check::HealthCheck, selection::RoundRobin,
};

// TODO 5.2: what your check needs.
// END TODO

/// Why a check failed that got an answer.
const UNHEALTHY: pingora::ErrorType = Custom("unhealthy");

/// Asks a backend how it is. Pingora's own HttpHealthCheck shows its validator the header of the answer and never the
/// body, reads as much body as there is, and limits each read but not the whole (pingora-load-balancing,
/// health_check.rs).
struct Report {
    connector: Connector,
    path: String,
    port: Option<u16>,
    timeout: Duration,
}

#[async_trait]
impl HealthCheck for Report {
    async fn check(&self, target: &Backend) -> Result<()> {
        // TODO 5.2: within `self.timeout`: the status is 200, and the body is JSON whose "status" is "ok".
        let session = self.ask(target).await?;
        log::debug!("asked port {:?}, for {:?} at most", self.port, self.timeout);
        match session.response_header() {
            Some(header) if header.status == 200 => Ok(()),
            _ => Error::e_explain(UNHEALTHY, "the status code is not 200"),
        }
        // END TODO
    }

    fn health_threshold(&self, _success: bool) -> usize {
        1
    }
}

impl Report {
    /// Sends the question, and returns when the header of the answer is here.
    async fn ask(&self, target: &Backend) -> Result<HttpSession> {
        // TODO 5.2: `self.port` instead of the backend's own, if it is set.
        let address = target.addr.clone();
        // END TODO
        let mut request = RequestHeader::build("GET", self.path.as_bytes(), None)?;
        request.insert_header("host", address.to_string())?;
        let peer = HttpPeer::new(address, false, String::new());
        let (mut session, _reused) = self.connector.get_http_session(&peer).await?;
        session.write_request_header(Box::new(request)).await?;
        session.finish_request_body().await?;
        session.read_response_header().await?;
        Ok(session)
    }
}

// TODO 5.2: read the report.
// END TODO

struct Edge {
    balancer: Arc<LoadBalancer<RoundRobin>>,
}

/// The backend of a request.
type Ctx = Option<Backend>;

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = Ctx;

    fn new_ctx(&self) -> Ctx {
        None
    }

    async fn upstream_peer(&self, _session: &mut Session, ctx: &mut Ctx) -> Result<Box<HttpPeer>> {
        let nobody = || Error::explain(HTTPStatus(503), "no backend is up");
        let backend = self.balancer.select(b"", 256).ok_or_else(nobody)?;
        *ctx = Some(backend.clone());
        let mut peer = HttpPeer::new(backend, false, String::new());
        peer.options.connection_timeout = Some(Duration::from_secs(3));
        peer.options.read_timeout = Some(Duration::from_secs(30));
        Ok(Box::new(peer))
    }

    async fn response_filter(
        &self,
        _session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        let upstream = ctx.as_ref().map(|backend| backend.addr.to_string());
        response.insert_header("x-upstream", upstream.unwrap_or_default())
    }
}

fn balancer(
    server: &mut Server,
    upstreams: &[SocketAddr],
    check: Report,
    interval: Duration,
) -> std::io::Result<Arc<LoadBalancer<RoundRobin>>> {
    let mut balancer = LoadBalancer::try_from_iter(upstreams)?;
    balancer.set_health_check(Box::new(check));
    balancer.health_check_frequency = Some(interval);
    balancer.parallel_health_check = true;
    let service = background_service("health checks", balancer);
    let balancer = service.task();
    server.add_service(service);
    Ok(balancer)
}

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let upstreams = upstreams::from_env();
    let check = Report {
        connector: Connector::new(None),
        path: setting("HEALTH_PATH", "/health", |text| {
            text.starts_with('/').then(|| text.to_owned())
        }),
        port: std::env::var_os("HEALTH_PORT").map(|_| setting("HEALTH_PORT", "8081", above_zero)),
        timeout: Duration::from_millis(setting("CHECK_TIMEOUT_MS", "500", above_zero)),
    };
    let interval = Duration::from_millis(setting("HEALTH_INTERVAL_MS", "1000", above_zero));

    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(|error| {
        eprintln!("cannot start: {error}");
        std::process::exit(2)
    });
    server.bootstrap();

    let balancer = balancer(&mut server, &upstreams, check, interval).unwrap_or_else(|error| {
        eprintln!("cannot use these upstreams: {error}");
        std::process::exit(2)
    });
    let mut proxy = http_proxy_service(&server.configuration, Edge { balancer });
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -i http://{listen}/");
    server.run_forever();
}

/// A setting from the environment.
fn setting<T>(variable: &str, default: &str, read: impl FnOnce(&str) -> Option<T>) -> T {
    let text = std::env::var(variable).unwrap_or_else(|_| default.to_owned());
    read(&text).unwrap_or_else(|| {
        eprintln!("{variable}: {text:?} cannot be used; write for example {variable}={default}");
        std::process::exit(2)
    })
}

fn above_zero<T: std::str::FromStr + Default + PartialOrd>(text: &str) -> Option<T> {
    text.parse().ok().filter(|number| *number > T::default())
}
