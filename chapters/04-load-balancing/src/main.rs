//! Chapter 04: a reverse proxy that chooses among its backends in one of five ways, and shows what came of it.

mod balancer;
mod errors;
mod least;
mod p2c;
mod settings;
mod smooth;
mod status;

use std::time::{Duration, Instant};

use async_trait::async_trait;
use env_logger::Env;
use http::HeaderName;
use log::{info, warn};
use pingora::{
    Error,
    ErrorType::{ConnectRefused, HTTPStatus},
    Result,
    http::{RequestHeader, ResponseHeader},
    prelude::HttpPeer,
    proxy::{FailToProxy, ProxyHttp, Session, http_proxy_service},
    server::{
        Server,
        configuration::{Opt, ServerConf},
    },
};
use uuid::Uuid;

use balancer::{Balancer, Picked};
use settings::Settings;
use status::{Counters, InFlight};

/// The proxy: one for all requests.
struct Edge {
    balancer: Balancer,
    counters: Counters,
    algorithm: &'static str,
    hash_header: HeaderName,
    /// In seconds: by then the health checks have looked again.
    retry_after: u64,
}

/// What is known of one request. When it is dropped, the request counts no more.
struct Ctx {
    id: String,
    started: Instant,
    picked: Option<Picked>,
    in_flight: Option<InFlight>,
}

impl Edge {
    /// Who belongs together: those that send the same header, or else come from the same address. Not from the same
    /// port, which is another one for each connection.
    fn key(&self, session: &Session) -> Vec<u8> {
        if let Some(value) = session.req_header().headers.get(&self.hash_header) {
            return value.as_bytes().to_vec();
        }
        let client = session.client_addr().and_then(|address| address.as_inet());
        client.map_or_else(Vec::new, |client| client.ip().to_string().into_bytes())
    }
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = Ctx;

    fn new_ctx(&self) -> Ctx {
        Ctx {
            id: Uuid::new_v4().to_string(),
            started: Instant::now(),
            picked: None,
            in_flight: None,
        }
    }

    async fn early_request_filter(&self, session: &mut Session, _ctx: &mut Ctx) -> Result<()> {
        session.set_write_timeout(Some(Duration::from_secs(10)));
        // A client of HTTP/1.0 that did not ask for more waits for the end of the connection.
        if session.get_keepalive().is_some() {
            session.set_keepalive(Some(60));
        }
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, _ctx: &mut Ctx) -> Result<bool> {
        let request = session.req_header();
        let ours =
            request.uri.path() == "/status" && ["GET", "HEAD"].contains(&request.method.as_str());
        if ours {
            status::answer(session, &self.counters, self.algorithm, &self.balancer).await?;
        }
        Ok(ours)
    }

    async fn upstream_peer(&self, session: &mut Session, ctx: &mut Ctx) -> Result<Box<HttpPeer>> {
        // A retry: what was picked before is given back first, or it would count against this choice.
        (ctx.picked, ctx.in_flight) = (None, None);
        ctx.picked = self.balancer.choose(&self.key(session));
        let Some(picked) = &ctx.picked else {
            return Error::e_explain(HTTPStatus(503), "no backend is up");
        };
        let backend = picked.backend();
        ctx.in_flight = self.counters.count(backend);

        let mut peer = HttpPeer::new(backend.clone(), false, String::new());
        peer.options.connection_timeout = Some(Duration::from_secs(3));
        peer.options.total_connection_timeout = Some(Duration::from_secs(5));
        peer.options.read_timeout = Some(Duration::from_secs(10));
        peer.options.write_timeout = Some(Duration::from_secs(10));
        peer.options.idle_timeout = Some(Duration::from_secs(60));
        Ok(Box::new(peer))
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        upstream_request: &mut RequestHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        upstream_request.insert_header("x-request-id", ctx.id.as_str())
    }

    async fn upstream_response_filter(
        &self,
        _session: &mut Session,
        _response: &mut ResponseHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        if let Some(picked) = &mut ctx.picked {
            picked.answered();
        }
        Ok(())
    }

    async fn response_filter(
        &self,
        _session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        if let Some(picked) = &ctx.picked {
            // Inserted, not appended: the echo server names itself in the same header.
            response.insert_header("x-upstream", picked.backend().addr.to_string())?;
        }
        response.insert_header("x-request-id", ctx.id.as_str())
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        ctx: &mut Ctx,
    ) -> FailToProxy {
        let status = errors::status(error);
        if let Err(error) = errors::answer(session, status, &ctx.id, self.retry_after).await {
            info!("{} the client did not take the answer: {error}", ctx.id);
        }
        FailToProxy {
            error_code: status,
            can_reuse_downstream: false,
        }
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Ctx) {
        let status = session
            .response_written()
            .filter(|response| !response.status.is_informational() || response.status == 101)
            .map_or(0, |response| response.status.as_u16());
        let upstream = ctx.picked.as_ref().map(|it| it.backend().addr.to_string());
        let upstream = upstream.as_deref().unwrap_or("-");
        let request = self.request_summary(session, ctx);
        let ms = ctx.started.elapsed().as_millis();
        let line = format!("{request} {status} upstream={upstream} ms={ms}");
        match error {
            None => info!("{line}"),
            Some(error) if error.etype() == &ConnectRefused => {
                warn!("{line} nothing listens there");
            }
            Some(error) => warn!("{line} error={error}"),
        }
    }

    fn suppress_error_log(&self, _session: &Session, _ctx: &Ctx, _error: &Error) -> bool {
        true
    }

    fn request_summary(&self, session: &Session, ctx: &Ctx) -> String {
        let request = session.req_header();
        let target = request.raw_path().escape_ascii();
        format!("{} {target} id={}", request.method, ctx.id)
    }
}

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let settings = Settings::from_env(&upstreams::from_env());

    let conf = ServerConf {
        threads: 2,
        grace_period_seconds: Some(1),
        graceful_shutdown_timeout_seconds: Some(1),
        pid_file: "/tmp/ch04-load-balancing.pid".to_owned(),
        upgrade_sock: "/tmp/ch04-load-balancing.sock".to_owned(),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(Opt::parse_args(), conf);
    server.bootstrap();

    let (balancer, health_checks) = Balancer::start(&settings, &mut server);
    let edge = Edge {
        balancer,
        counters: Counters::new(&settings.backends),
        algorithm: settings.algorithm.name(),
        hash_header: settings.hash_header,
        retry_after: settings.health_interval.as_secs().max(1),
    };
    let mut proxy = http_proxy_service(&server.configuration, edge);
    proxy.add_tcp(&listen);
    // The backends are known once the balancer runs. Before that every answer would be 503.
    server.add_service(proxy).add_dependency(health_checks);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -s 'http://{listen}/[1-6]' | grep '\"upstream\"'");
    println!("  curl -s http://{listen}/status");
    server.run_forever();
}
