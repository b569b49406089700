//! 4.5 Nobody home: every backend is down, and the proxy says so until one is back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use env_logger::Env;
use pingora::{
    Error, ErrorSource,
    ErrorType::{ConnectionClosed, HTTPStatus, ReadError, WriteError},
    Result,
    prelude::HttpPeer,
    proxy::{FailToProxy, ProxyHttp, Session, http_proxy_service},
    server::{
        Server,
        configuration::{Opt, ServerConf},
    },
};
use pingora_load_balancing::{LoadBalancer, health_check::TcpHealthCheck, selection::RoundRobin};

struct Edge {
    balancer: Arc<LoadBalancer<RoundRobin>>,
    health_interval: Duration,
}

impl Edge {
    // TODO 4.5: answer a failed request; if it failed because nobody is up, in JSON and with a time to come again.
    async fn answer(&self, session: &mut Session, status: u16) -> Result<()> {
        if status != 503 {
            return session.respond_error(status).await;
        }
        let body = serde_json::json!({ "error": "no backend is up", "status": status });
        let body = body.to_string();
        let mut header = pingora::protocols::http::ServerSession::generate_error(status);
        header.insert_header("content-type", "application/json")?;
        // By then the health checks have looked again. The field has no unit below the second (RFC 9110, 10.2.3).
        let seconds = self.health_interval.as_secs().max(1);
        header.insert_header("retry-after", seconds)?;
        header.set_content_length(body.len())?;
        session.write_error_response(header, body.into()).await
    }
    // END TODO
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        // TODO 4.5: nobody is up: whose fault is that, and which status says so?
        let nobody = || Error::explain(HTTPStatus(503), "no backend is up");
        // END TODO
        let backend = self.balancer.select(b"", 256).ok_or_else(nobody)?;
        let mut peer = HttpPeer::new(backend, false, String::new());
        peer.options.connection_timeout = Some(Duration::from_secs(3));
        peer.options.read_timeout = Some(Duration::from_secs(30));
        Ok(Box::new(peer))
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        _ctx: &mut (),
    ) -> FailToProxy {
        let status = status_of(error);
        if status > 0
            && let Err(error) = self.answer(session, status).await
        {
            log::info!("the client did not take the answer: {error}");
        }
        FailToProxy {
            error_code: status,
            can_reuse_downstream: false,
        }
    }
}

/// The status that tells the client what happened; 0 when the client is gone.
fn status_of(error: &Error) -> u16 {
    match (error.esource(), error.etype()) {
        (_, HTTPStatus(status)) => *status,
        (ErrorSource::Upstream, _) => 502,
        (ErrorSource::Downstream, ConnectionClosed | ReadError | WriteError) => 0,
        (ErrorSource::Downstream, _) => 400,
        (ErrorSource::Internal | ErrorSource::Unset, _) => 500,
    }
}

/// The balancer for these upstreams, whose health is checked by connecting to them.
fn balancer(
    server: &mut Server,
    upstreams: &[SocketAddr],
    health_interval: Duration,
) -> std::io::Result<Arc<LoadBalancer<RoundRobin>>> {
    let mut balancer = LoadBalancer::try_from_iter(upstreams)?;
    balancer.set_health_check(TcpHealthCheck::new());
    balancer.health_check_frequency = Some(health_interval);
    // TODO 4.5: who runs these checks?
    // The balancer is the service that checks. It runs when the server runs, on a thread of its own.
    let service = pingora::services::background::background_service("health checks", balancer);
    let balancer = service.task();
    server.add_service(service);
    Ok(balancer)
    // END TODO
}

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let upstreams = upstreams::from_env();
    let health_interval = health_interval();

    let conf = ServerConf {
        grace_period_seconds: Some(1),
        graceful_shutdown_timeout_seconds: Some(1),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(Opt::parse_args(), conf);
    server.bootstrap();

    let balancer = balancer(&mut server, &upstreams, health_interval).unwrap_or_else(|error| {
        eprintln!("cannot use these upstreams: {error}");
        std::process::exit(2)
    });
    let edge = Edge {
        balancer,
        health_interval,
    };
    let mut proxy = http_proxy_service(&server.configuration, edge);
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -i http://{listen}/");
    server.run_forever();
}

/// `HEALTH_INTERVAL_MS`, by default 1 second.
fn health_interval() -> Duration {
    let text = std::env::var("HEALTH_INTERVAL_MS").unwrap_or_else(|_| "1000".to_owned());
    match text.parse() {
        Ok(milliseconds @ 1..) => Duration::from_millis(milliseconds),
        _ => {
            eprintln!(
                "HEALTH_INTERVAL_MS: {text:?} is not a number of milliseconds above 0, as in HEALTH_INTERVAL_MS=500"
            );
            std::process::exit(2)
        }
    }
}
