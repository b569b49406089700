//! 5.1 TCP check: a backend that takes no connection gets no requests, until it does again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use env_logger::Env;
use pingora::{
    Error,
    ErrorType::HTTPStatus,
    Result,
    http::ResponseHeader,
    prelude::HttpPeer,
    proxy::{ProxyHttp, Session, http_proxy_service},
    server::{Server, configuration::Opt},
    services::background::background_service,
};
use pingora_load_balancing::{
    Backend, LoadBalancer, health_check::TcpHealthCheck, selection::RoundRobin,
};

struct Edge {
    balancer: Arc<LoadBalancer<RoundRobin>>,
}

/// What is known of one request.
#[derive(Default)]
struct Ctx {
    tries: usize,
    backend: Option<Backend>,
    /// Those that did not take the connection.
    failed: Vec<Backend>,
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = Ctx;

    fn new_ctx(&self) -> Ctx {
        Ctx::default()
    }

    async fn upstream_peer(&self, _session: &mut Session, ctx: &mut Ctx) -> Result<Box<HttpPeer>> {
        let usable = |backend: &Backend, healthy| healthy && !ctx.failed.contains(backend);
        let Some(backend) = self.balancer.select_with(b"", 256, usable) else {
            // Nobody is up, or nobody is left to try.
            let status = if ctx.failed.is_empty() { 503 } else { 502 };
            return Error::e_explain(HTTPStatus(status), "no backend");
        };
        ctx.tries += 1;
        ctx.backend = Some(backend.clone());
        let mut peer = HttpPeer::new(backend, false, String::new());
        peer.options.connection_timeout = Some(Duration::from_secs(3));
        peer.options.read_timeout = Some(Duration::from_secs(30));
        Ok(Box::new(peer))
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        ctx: &mut Ctx,
        error: Box<Error>,
    ) -> Box<Error> {
        // TODO 5.1: nothing was sent yet, so another backend can have the request, whatever its method.
        ctx.failed.extend(ctx.backend.take());
        error
        // END TODO
    }

    async fn response_filter(
        &self,
        _session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        let upstream = ctx.backend.as_ref().map(|it| it.addr.to_string());
        response.insert_header("x-upstream", upstream.unwrap_or_default())?;
        response.insert_header("x-tries", ctx.tries)
    }
}

/// The balancer for these upstreams, whose health is checked by connecting to them.
fn balancer(
    server: &mut Server,
    upstreams: &[SocketAddr],
    interval: Duration,
    timeout: Duration,
) -> std::io::Result<Arc<LoadBalancer<RoundRobin>>> {
    let mut balancer = LoadBalancer::try_from_iter(upstreams)?;
    // TODO 5.1: check every backend once per `interval`, side by side, and wait `timeout` at most.
    let mut check = TcpHealthCheck::new();
    check.peer_template.options.connection_timeout = Some(timeout);
    balancer.set_health_check(check);
    balancer.update_frequency = Some(interval);
    // END TODO
    // Only as a service of the server does it check anything.
    let service = background_service("health checks", balancer);
    let balancer = service.task();
    server.add_service(service);
    Ok(balancer)
}

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let upstreams = upstreams::from_env();
    let interval = milliseconds("HEALTH_INTERVAL_MS", 1_000);
    let timeout = milliseconds("CHECK_TIMEOUT_MS", 500);

    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(|error| {
        eprintln!("cannot start: {error}");
        std::process::exit(2)
    });
    server.bootstrap();

    let balancer = balancer(&mut server, &upstreams, interval, timeout).unwrap_or_else(|error| {
        eprintln!("cannot use these upstreams: {error}");
        std::process::exit(2)
    });
    let mut proxy = http_proxy_service(&server.configuration, Edge { balancer });
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -s -o /dev/null -D - http://{listen}/ | grep '^x-'");
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
