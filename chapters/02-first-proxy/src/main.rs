//! Chapter 02: a reverse proxy that you could put before a service.
//!
//! It forwards with time-outs, tells the upstream who asked, gives each request an id, and answers errors in JSON.

mod errors;

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use env_logger::Env;
use log::{info, warn};
use pingora::{
    Error,
    ErrorType::{ConnectRefused, HTTPStatus, ReadError},
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

/// The proxy: one for all requests.
struct Edge {
    upstreams: Vec<SocketAddr>,
    next: AtomicUsize,
}

/// What is known of one request.
struct Ctx {
    id: String,
    started: Instant,
    upstream: Option<SocketAddr>,
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = Ctx;

    fn new_ctx(&self) -> Ctx {
        Ctx {
            id: Uuid::new_v4().to_string(),
            started: Instant::now(),
            upstream: None,
        }
    }

    async fn early_request_filter(&self, session: &mut Session, _ctx: &mut Ctx) -> Result<()> {
        // The client's side has no limit by default either: one that reads nothing would hold an upstream for ever,
        // and a connection may idle without end after its first request.
        session.set_write_timeout(Some(Duration::from_secs(10)));
        // A client of HTTP/1.0 that did not ask for more waits for the end of the connection.
        if session.get_keepalive().is_some() {
            session.set_keepalive(Some(60));
        }
        Ok(())
    }

    async fn upstream_peer(&self, _session: &mut Session, ctx: &mut Ctx) -> Result<Box<HttpPeer>> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.upstreams.len().max(1);
        let upstream = self.upstreams.get(turn);
        ctx.upstream = upstream.copied();
        let upstream = upstream.ok_or_else(|| Error::explain(HTTPStatus(503), "no upstreams"))?;

        // An address, never a name: HttpPeer resolves names by blocking, and panics where that fails.
        let mut peer = HttpPeer::new(*upstream, false, String::new());
        // Pingora's default is to wait without end.
        peer.options.connection_timeout = Some(Duration::from_secs(3));
        peer.options.total_connection_timeout = Some(Duration::from_secs(5));
        peer.options.read_timeout = Some(Duration::from_secs(10));
        peer.options.write_timeout = Some(Duration::from_secs(10));
        peer.options.idle_timeout = Some(Duration::from_secs(60));
        Ok(Box::new(peer))
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        upstream_request: &mut RequestHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        upstream_request.insert_header("x-request-id", ctx.id.as_str())?;
        // Inserted, so whatever the client claims is gone: this proxy trusts nobody. Exercise 2.5 goes further.
        upstream_request.remove_header("forwarded");
        if let Some(client) = session.client_addr().and_then(|address| address.as_inet()) {
            let client = client.ip().to_canonical().to_string();
            upstream_request.insert_header("x-forwarded-for", client)?;
        }
        upstream_request.insert_header("x-forwarded-proto", "http")?;
        match session.req_header().headers.get("host") {
            Some(host) => upstream_request.insert_header("x-forwarded-host", host)?,
            None => drop(upstream_request.remove_header("x-forwarded-host")),
        }
        Ok(())
    }

    async fn response_filter(
        &self,
        _session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        response.insert_header("x-request-id", ctx.id.as_str())
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        ctx: &mut Ctx,
    ) -> FailToProxy {
        let status = errors::status(error);
        if let Err(error) = errors::answer(session, status, &ctx.id).await {
            info!("{} the client did not take the answer: {error}", ctx.id);
        }
        FailToProxy {
            error_code: status,
            can_reuse_downstream: false,
        }
    }

    /// One line for each request that was understood, whatever came of it. Malformed ones Pingora refuses before.
    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Ctx) {
        let status = session
            .response_written()
            // A 100 or 103 is not an answer yet; a 101 is.
            .filter(|response| !response.status.is_informational() || response.status == 101)
            .map_or(0, |response| response.status.as_u16());
        let upstream = ctx
            .upstream
            .map_or("-".to_owned(), |upstream| upstream.to_string());
        let request = self.request_summary(session, ctx);
        let ms = ctx.started.elapsed().as_millis();
        let line = format!("{request} {status} upstream={upstream} ms={ms}");
        match error {
            None => info!("{line}"),
            Some(error) if error.etype() == &ConnectRefused => {
                warn!(
                    "{line} nothing listens there: start it, for example with `cargo run -p upstreams`"
                );
            }
            Some(error) => warn!("{line} error={error}"),
        }
    }

    /// Pingora would write a line of its own for an error; `logging` has it.
    fn suppress_error_log(&self, _session: &Session, _ctx: &Ctx, _error: &Error) -> bool {
        true
    }

    fn request_summary(&self, session: &Session, ctx: &Ctx) -> String {
        let request = session.req_header();
        // Escaped: a log line must stay one line, whatever bytes the target has.
        let target = request.raw_path().escape_ascii();
        format!("{} {target} id={}", request.method, ctx.id)
    }
}

/// The configuration: the file that `-c` names, or else Pingora's defaults with a short grace.
fn configuration(options: &Opt) -> Result<ServerConf> {
    match &options.conf {
        Some(_) => match ServerConf::load_yaml_with_opt_override(options)? {
            ServerConf { threads: 0, .. } => Error::e_explain(ReadError, "threads must not be 0"),
            conf => Ok(conf),
        },
        None => Ok(ServerConf {
            // After SIGTERM Pingora sleeps this long, however idle it is. Its default is 300.
            grace_period_seconds: Some(1),
            graceful_shutdown_timeout_seconds: Some(1),
            // Shared by every Pingora on the machine unless named.
            pid_file: "/tmp/ch02-first-proxy.pid".to_owned(),
            upgrade_sock: "/tmp/ch02-first-proxy.sock".to_owned(),
            ..ServerConf::default()
        }),
    }
}

fn main() {
    // env_logger shows errors only unless told otherwise; Pingora itself is chatty at `info`.
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let options = Opt::parse_args();
    let conf = configuration(&options).unwrap_or_else(|error| {
        // Pingora quotes the file, which has several lines.
        let error = error.to_string().replace('\n', " ");
        eprintln!("cannot use the configuration: {error}");
        std::process::exit(2)
    });
    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let upstreams = upstreams::from_env();

    // The file is read already, and a server that is handed both warns that it ignores one.
    let options = Opt {
        conf: None,
        ..options
    };
    let mut server = Server::new_with_opt_and_conf(options, conf);
    server.bootstrap();

    let edge = Edge {
        upstreams,
        next: AtomicUsize::new(0),
    };
    let mut proxy = http_proxy_service(&server.configuration, edge);
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -i http://{listen}/hello");
    println!("  curl -i http://{listen}/close");
    println!("  curl -s http://{listen}/help");
    server.run_forever();
}
