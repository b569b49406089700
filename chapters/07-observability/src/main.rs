//! Chapter 07: a reverse proxy that can be seen into: a line, numbers and a trace for each request.

mod access_log;
mod admin;
mod ctx;
mod errors;
mod export;
mod log_writer;
mod metrics;
mod observe;
mod outcome;
mod pool;
mod routes;
mod settings;
mod spans;
mod start;
mod stopwatch;
mod text;
mod trace_context;

use std::{
    os::fd::RawFd,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use log::debug;
use opentelemetry_sdk::trace::SdkTracer;
use pingora::{
    Error, Result,
    http::{RequestHeader, ResponseHeader},
    prelude::HttpPeer,
    protocols::Digest,
    proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session},
};

use ctx::Ctx;
use metrics::Metrics;
use pool::Pool;
use spans::Spans;

/// The proxy: one for all requests.
struct Edge {
    pool: Pool,
    metrics: Metrics,
    tracer: SdkTracer,
    client_timeout: Duration,
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = Ctx;

    fn new_ctx(&self) -> Ctx {
        let spans = Spans::new(self.tracer.clone());
        Ctx::new(self.metrics.begin(), spans)
    }

    async fn early_request_filter(&self, session: &mut Session, ctx: &mut Ctx) -> Result<()> {
        session.set_read_timeout(Some(self.client_timeout));
        session.set_write_timeout(Some(self.client_timeout));
        // A client of HTTP/1.0 that did not ask for more waits for the end of the connection.
        if session.get_keepalive().is_some() {
            session.set_keepalive(Some(60));
        }
        self.begin(session, ctx);
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Ctx) -> Result<bool> {
        if ctx.route != "/healthz" {
            return Ok(false);
        }
        ctx.local = true;
        let mut header = ResponseHeader::build(200, None)?;
        header.insert_header("content-type", "text/plain")?;
        header.insert_header("cache-control", "no-store")?;
        header.set_content_length(3)?;
        let head = Box::new(header);
        session.write_response_header(head, false).await?;
        let body = Some("ok\n".into());
        session.write_response_body(body, true).await?;
        Ok(true)
    }

    /// Asked again for each further try.
    async fn upstream_peer(&self, _session: &mut Session, ctx: &mut Ctx) -> Result<Box<HttpPeer>> {
        let upstream = self.pool.next(&ctx.tried)?;
        ctx.next_try(upstream);
        Ok(Box::new(self.pool.peer(upstream)))
    }

    async fn connected_to_upstream(
        &self,
        _session: &mut Session,
        reused: bool,
        _peer: &HttpPeer,
        _fd: RawFd,
        _digest: Option<&Digest>,
        ctx: &mut Ctx,
    ) -> Result<()> {
        let took = ctx.connected(reused);
        self.metrics.connected(took, reused);
        Ok(())
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
        ctx.own.resume();
        ctx.spans.end_try(Some(error.etype().as_str()));
        error.set_retry(self.pool.has_more(&ctx.tried));
        error
    }

    /// Something was sent, and perhaps done: Pingora's own rule decides (pingora-proxy, proxy_trait.rs).
    fn error_while_proxy(
        &self,
        peer: &HttpPeer,
        session: &mut Session,
        error: Box<Error>,
        ctx: &mut Ctx,
        reused: bool,
    ) -> Box<Error> {
        let mut error = error.more_context(format!("Peer: {peer}"));
        ctx.own.resume();
        ctx.spans.end_try(observe::blamed(&error));
        let harmless = session.req_header().method.is_idempotent();
        if harmless && !session.as_ref().retry_buffer_truncated() {
            error.retry.decide_reuse(reused);
        } else {
            error.set_retry(false);
        }
        error
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        upstream_request: &mut RequestHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        trace_context::inject(upstream_request, &ctx.spans.try_context())?;
        ctx.asked = Some(Instant::now());
        ctx.own.pause();
        Ok(())
    }

    /// A client that uploads slowly is no slow upstream: the wait begins with the last piece.
    async fn request_body_filter(
        &self,
        _session: &mut Session,
        _body: &mut Option<Bytes>,
        _end_of_stream: bool,
        ctx: &mut Ctx,
    ) -> Result<()> {
        ctx.asked = Some(Instant::now());
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        _session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        ctx.answered(response.status.as_u16());
        Ok(())
    }

    async fn response_filter(
        &self,
        _session: &mut Session,
        _response: &mut ResponseHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        ctx.own.pause();
        Ok(())
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        ctx: &mut Ctx,
    ) -> FailToProxy {
        let status = errors::status(error);
        let trace_id = ctx.spans.context().trace_id().to_string();
        if let Err(error) = errors::answer(session, status, &trace_id).await {
            debug!("{trace_id} the client did not take the answer: {error}");
        }
        FailToProxy {
            error_code: status,
            can_reuse_downstream: false,
        }
    }

    /// Runs once for each request, whatever came of it.
    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Ctx) {
        self.end(session, error, ctx);
    }

    /// The access log has it.
    fn suppress_error_log(&self, _session: &Session, _ctx: &Ctx, _error: &Error) -> bool {
        true
    }

    /// The access log says how many tries there were, and each is a span.
    fn suppress_proxy_warn_log(
        &self,
        _session: &Session,
        _ctx: &Ctx,
        _error: &Error,
        _context: ProxyWarnLogContext,
    ) -> bool {
        true
    }

    /// Names a request in Pingora's own lines. By default it holds the target as the client sent it.
    fn request_summary(&self, _session: &Session, ctx: &Ctx) -> String {
        let method = ctx.method.unwrap_or(routes::OTHER);
        format!("{method} {}", ctx.route)
    }
}

fn main() {
    start::run();
}
