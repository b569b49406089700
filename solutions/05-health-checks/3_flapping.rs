//! 5.3 Flapping: one bad check takes nobody out, and one good check brings nobody back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use env_logger::Env;
use pingora::{
    Error,
    ErrorType::HTTPStatus,
    Result,
    http::RequestHeader,
    prelude::HttpPeer,
    proxy::{ProxyHttp, Session, http_proxy_service},
    server::{Server, configuration::Opt},
    services::background::background_service,
};
use pingora_load_balancing::{LoadBalancer, health_check::HttpHealthCheck, selection::RoundRobin};

struct Edge {
    balancer: Arc<LoadBalancer<RoundRobin>>,
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        let nobody = || Error::explain(HTTPStatus(503), "no backend is up");
        let backend = self.balancer.select(b"", 256).ok_or_else(nobody)?;
        let mut peer = HttpPeer::new(backend, false, String::new());
        peer.options.connection_timeout = Some(Duration::from_secs(3));
        peer.options.read_timeout = Some(Duration::from_secs(30));
        Ok(Box::new(peer))
    }
}

/// The check of one backend: 200 on `/health`, of another port if `HEALTH_PORT` says so.
fn health_check(settings: &Settings) -> Result<HttpHealthCheck> {
    let mut check = HttpHealthCheck::new("health.internal", false);
    let mut request = RequestHeader::build("GET", b"/health", None)?;
    request.insert_header("host", "health.internal")?;
    check.req = request;
    check.port_override = settings.port;
    check.peer_template.options.connection_timeout = Some(settings.timeout);
    check.peer_template.options.read_timeout = Some(settings.timeout);
    // TODO 5.3: down after `fall` failures in a row, up after `rise` successes in a row, and a log line for each change.
    check.consecutive_failure = settings.fall;
    check.consecutive_success = settings.rise;
    check.health_changed_callback = Some(Box::new(Changes));
    // END TODO
    Ok(check)
}

// TODO 5.3: who hears of a change.
use pingora_load_balancing::{Backend, health_check::HealthObserve};

/// Hears of changes only: most checks change nothing.
struct Changes;

#[async_trait]
impl HealthObserve for Changes {
    async fn observe(&self, target: &Backend, healthy: bool) {
        match healthy {
            true => log::info!("{} is up", target.addr),
            false => log::warn!("{} is down", target.addr),
        }
    }
}
// END TODO

/// What the environment says of health checks.
struct Settings {
    interval: Duration,
    timeout: Duration,
    port: Option<u16>,
    fall: usize,
    rise: usize,
}

fn balancer(
    server: &mut Server,
    upstreams: &[SocketAddr],
    check: HttpHealthCheck,
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
    // Of a change Pingora writes a line of its own, which names neither threshold nor reason in our words.
    let log = "info,pingora=warn,pingora_load_balancing=error";
    env_logger::Builder::from_env(Env::default().default_filter_or(log)).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let upstreams = upstreams::from_env();
    let settings = Settings {
        interval: Duration::from_millis(number("HEALTH_INTERVAL_MS", 1_000)),
        timeout: Duration::from_millis(number("CHECK_TIMEOUT_MS", 500)),
        port: std::env::var_os("HEALTH_PORT").map(|_| number("HEALTH_PORT", 8081)),
        fall: number("FALL", 3),
        rise: number("RISE", 2),
    };
    println!(
        "Down after {} failures in a row, up after {} successes",
        settings.fall, settings.rise
    );

    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(|error| {
        eprintln!("cannot start: {error}");
        std::process::exit(2)
    });
    server.bootstrap();

    let check = health_check(&settings).unwrap_or_else(|error| {
        eprintln!("cannot make the health check: {error}");
        std::process::exit(2)
    });
    let balancer =
        balancer(&mut server, &upstreams, check, settings.interval).unwrap_or_else(|error| {
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

/// A number above 0 from the environment.
fn number<T: std::str::FromStr + Default + PartialOrd + std::fmt::Display>(
    variable: &str,
    default: T,
) -> T {
    let Ok(text) = std::env::var(variable) else {
        return default;
    };
    match text.parse() {
        Ok(number) if number > T::default() => number,
        _ => {
            eprintln!("{variable}: {text:?} is not a number above 0, as in {variable}={default}");
            std::process::exit(2)
        }
    }
}
