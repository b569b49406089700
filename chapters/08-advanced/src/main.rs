//! Chapter 08: a proxy at the edge of a network. TLS with certificates that can be replaced while it runs, HTTP/2 and
//! HTTP/1.1, a redirect from plain HTTP, limits for what a client may take, a stop and an upgrade that lose no request.

mod access_log;
mod certificates;
#[allow(
    dead_code,
    reason = "the command ch08-certificates renews, the demo does not"
)]
mod development;
mod drain;
mod errors;
mod forwarded;
mod framing;
mod header_limit;
mod limits;
mod pool;
mod redirect;
mod settings;
mod start;

use std::{any::Any, net::SocketAddr, time::Instant};

use async_trait::async_trait;
use bytes::Bytes;
use log::info;
use mimalloc::MiMalloc;
use pingora::{
    Error, Result,
    http::{RequestHeader, ResponseHeader},
    prelude::HttpPeer,
    proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session},
};
use uuid::Uuid;

use drain::{Drain, InFlight};
use limits::{Limits, Upload};
use pool::Pool;

/// A request makes some seventy allocations, mostly short-lived and small, on whatever thread it runs: what this
/// allocator is made for. 8.10 measures it.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The proxy: one for all requests.
struct Edge {
    pool: Pool,
    limits: Limits,
    drain: Drain,
    https_port: u16,
}

/// What is known of one request.
struct Ctx {
    id: String,
    started: Instant,
    /// Where it was sent, in order.
    tried: Vec<SocketAddr>,
    upload: Upload,
    /// As long as this exists, the process waits for the request before it leaves.
    in_flight: InFlight,
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = Ctx;

    fn new_ctx(&self) -> Ctx {
        let started = Instant::now();
        Ctx {
            id: Uuid::new_v4().to_string(),
            started,
            tried: Vec::new(),
            upload: Upload::new(started),
            in_flight: self.drain.begin(),
        }
    }

    /// The first to be called when a header was read: see header_limit.rs.
    fn on_connection_reuse(
        &self,
        _session: &mut Session,
        _ctx: &mut Ctx,
        context: Box<dyn Any + Send + Sync>,
    ) {
        header_limit::header_is_read(context);
    }

    async fn early_request_filter(&self, session: &mut Session, ctx: &mut Ctx) -> Result<()> {
        self.limits.set_timeouts(session);
        ctx.in_flight.tell(session);
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, _ctx: &mut Ctx) -> Result<bool> {
        framing::check(session.req_header())?;
        self.limits.check_header(session.req_header())?;
        if redirect::is_tls(session) {
            return Ok(false);
        }
        redirect::answer(session, self.https_port).await?;
        Ok(true)
    }

    /// Asked again for each further try.
    async fn upstream_peer(&self, session: &mut Session, ctx: &mut Ctx) -> Result<Box<HttpPeer>> {
        let upstream = self.pool.next(&ctx.tried)?;
        ctx.tried.push(upstream);
        ctx.upload.restart();
        let tunnel = limits::asks_for_websocket(session);
        let silence = tunnel.then_some(self.limits.tunnel_idle);
        Ok(Box::new(self.pool.peer(upstream, silence)))
    }

    /// Nothing was sent, so another upstream can have the request whatever its method.
    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        ctx: &mut Ctx,
        mut error: Box<Error>,
    ) -> Box<Error> {
        error.as_up();
        error.set_retry(self.pool.has_more(&ctx.tried));
        error
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        upstream_request: &mut RequestHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        forwarded::add(session, upstream_request, &ctx.id)
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        _end_of_stream: bool,
        ctx: &mut Ctx,
    ) -> Result<()> {
        // What goes through a tunnel is no body, and has an end only when one side says so.
        if session.was_upgraded() {
            return Ok(());
        }
        let length = body.as_ref().map_or(0, Bytes::len);
        ctx.upload.piece(length, &self.limits)
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        if response.status.is_informational() {
            return Ok(());
        }
        ctx.in_flight.tell(session);
        response.insert_header("x-request-id", ctx.id.as_str())?;
        redirect::add_hsts(session, response)
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

    /// Runs once for each request, whatever came of it.
    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Ctx) {
        access_log::write(session, ctx, error);
    }

    /// The access log has it.
    fn suppress_error_log(&self, _session: &Session, _ctx: &Ctx, _error: &Error) -> bool {
        true
    }

    /// The access log names the last upstream that was tried.
    fn suppress_proxy_warn_log(
        &self,
        _session: &Session,
        _ctx: &Ctx,
        _error: &Error,
        _context: ProxyWarnLogContext,
    ) -> bool {
        true
    }

    fn request_summary(&self, session: &Session, ctx: &Ctx) -> String {
        access_log::summary(session.req_header(), &ctx.id)
    }
}

fn main() {
    start::run();
}
