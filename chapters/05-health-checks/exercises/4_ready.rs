//! 5.4 Ready means checked: no request before the first round of checks is done.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use env_logger::Env;
use pingora::{
    Error,
    ErrorType::HTTPStatus,
    Result,
    http::{RequestHeader, ResponseHeader},
    prelude::HttpPeer,
    proxy::{ProxyHttp, Session, http_proxy_service},
    server::{Server, ShutdownWatch, configuration::Opt},
    services::{
        ServiceHandle,
        background::{BackgroundService, background_service},
    },
};
use pingora_load_balancing::{
    Backend, Backends, LoadBalancer, discovery::ServiceDiscovery, health_check::HttpHealthCheck,
    selection::RoundRobin,
};

// TODO 5.4: what your services need.
// END TODO

/// Finds the members, checks them every `interval`, and tells which service's readiness is that of the proxy.
fn start(
    server: &mut Server,
    discovery: Box<Members>,
    check: Box<HttpHealthCheck>,
    interval: Duration,
) -> (Arc<LoadBalancer<RoundRobin>>, ServiceHandle) {
    // TODO 5.4: a service that is ready when every member was checked, and not before.
    let mut members = LoadBalancer::from_backends(Backends::new(discovery));
    members.set_health_check(check);
    members.health_check_frequency = Some(interval);
    members.parallel_health_check = true;
    let members = background_service("members", members);
    let balancer = members.task();
    (balancer, server.add_service(members))
    // END TODO
}

struct Edge {
    balancer: Arc<LoadBalancer<RoundRobin>>,
    ready: Arc<Ready>,
}

/// Turns true when the services that it depends on are ready. Pingora has no other way to ask them.
#[derive(Default)]
struct Ready(AtomicBool);

#[async_trait]
impl BackgroundService for Ready {
    async fn start(&self, _shutdown: ShutdownWatch) {
        self.0.store(true, Ordering::Release);
    }
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn request_filter(&self, session: &mut Session, _ctx: &mut ()) -> Result<bool> {
        if session.req_header().uri.path() != "/readyz" {
            return Ok(false);
        }
        let ready = self.ready.0.load(Ordering::Acquire);
        let (status, body) = if ready {
            (200, "ready\n")
        } else {
            (503, "checking\n")
        };
        let mut header = ResponseHeader::build(status, Some(2))?;
        header.insert_header("content-length", body.len())?;
        header.insert_header("cache-control", "no-store")?;
        let head = session.req_header().method == "HEAD";
        session
            .write_response_header(Box::new(header), head)
            .await?;
        if !head {
            session.write_response_body(Some(body.into()), true).await?;
        }
        Ok(true)
    }

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        let nobody = || Error::explain(HTTPStatus(503), "no backend is up");
        let backend = self.balancer.select(b"", 256).ok_or_else(nobody)?;
        let mut peer = HttpPeer::new(backend, false, String::new());
        peer.options.connection_timeout = Some(Duration::from_secs(3));
        peer.options.read_timeout = Some(Duration::from_secs(30));
        Ok(Box::new(peer))
    }
}

/// The upstreams of the environment. To find members takes time where DNS or a registry is asked; here it takes
/// `DISCOVERY_MS`.
struct Members {
    backends: BTreeSet<Backend>,
    delay: Duration,
}

#[async_trait]
impl ServiceDiscovery for Members {
    async fn discover(&self) -> Result<(BTreeSet<Backend>, HashMap<u64, bool>)> {
        tokio::time::sleep(self.delay).await;
        Ok((self.backends.clone(), HashMap::new()))
    }
}

/// 200 on `/health`, within `timeout`.
fn health_check(timeout: Duration) -> Result<Box<HttpHealthCheck>> {
    let mut check = HttpHealthCheck::new("health.internal", false);
    let mut request = RequestHeader::build("GET", b"/health", None)?;
    request.insert_header("host", "health.internal")?;
    check.req = request;
    check.peer_template.options.connection_timeout = Some(timeout);
    check.peer_template.options.read_timeout = Some(timeout);
    Ok(Box::new(check))
}

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let backends = upstreams::from_env().into_iter();
    let backends = backends.map(|address| Backend::new(&address.to_string()));
    let discovery = Members {
        backends: backends.collect::<Result<_>>().unwrap_or_else(or_exit),
        delay: milliseconds("DISCOVERY_MS", 0),
    };
    let interval = milliseconds("HEALTH_INTERVAL_MS", 1_000);
    let check = health_check(milliseconds("CHECK_TIMEOUT_MS", 500)).unwrap_or_else(or_exit);

    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(or_exit);
    server.bootstrap();

    let (balancer, checked) = start(&mut server, Box::new(discovery), check, interval);
    let ready = background_service("ready", Ready::default());
    let edge = Edge {
        balancer,
        ready: ready.task(),
    };
    server.add_service(ready).add_dependency(checked);
    let mut proxy = http_proxy_service(&server.configuration, edge);
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -i http://{listen}/readyz");
    server.run_forever();
}

fn or_exit<T>(error: Box<Error>) -> T {
    eprintln!("cannot start: {error}");
    std::process::exit(2)
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
                "{variable}: {text:?} is not a number of milliseconds above 0, as in {variable}=500"
            );
            std::process::exit(2)
        }
    }
}
