//! Chapter 05: a reverse proxy that knows which of its backends can work: it asks them, and it looks at what they answer.

mod access_log;
mod board;
mod breaker;
mod budget;
mod checks;
mod ctx;
mod errors;
mod fleet;
mod outlier;
mod retry;
mod settings;
mod start;
mod status;

use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use env_logger::Env;
use log::info;
use pingora::{
    Error,
    ErrorType::HTTPStatus,
    Result,
    http::{RequestHeader, ResponseHeader},
    prelude::HttpPeer,
    proxy::{FailToProxy, ProxyHttp, Session},
};

use ctx::Ctx;
use fleet::Fleet;

/// The proxy: one for all requests.
struct Edge {
    fleet: Fleet,
    /// How often a request may be sent, the first time included.
    tries: usize,
    /// In seconds: by then the checks have looked again.
    retry_after: u64,
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = Ctx;

    fn new_ctx(&self) -> Ctx {
        Ctx::new()
    }

    async fn early_request_filter(&self, session: &mut Session, _ctx: &mut Ctx) -> Result<()> {
        session.set_write_timeout(Some(Duration::from_secs(10)));
        // A client of HTTP/1.0 that did not ask for more waits for the end of the connection.
        if session.get_keepalive().is_some() {
            session.set_keepalive(Some(60));
        }
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Ctx) -> Result<bool> {
        ctx.own = status::answer(session, &self.fleet).await?;
        if ctx.own {
            return Ok(true);
        }
        let now = Instant::now();
        self.fleet.budget.request(now);
        let pass = self.fleet.breaker.pass(now);
        ctx.pass = Some(pass.map_err(|wait| {
            ctx.wait = Some(wait);
            Error::explain(HTTPStatus(503), "the breaker is open")
        })?);
        Ok(false)
    }

    /// Asked again for each further try.
    async fn upstream_peer(&self, _session: &mut Session, ctx: &mut Ctx) -> Result<Box<HttpPeer>> {
        let now = Instant::now();
        let Some(backend) = self.fleet.choose(&ctx.failed, now) else {
            return Error::e_explain(HTTPStatus(503), "no backend is up");
        };
        ctx.next_try(&backend, &self.fleet.outliers, now);
        Ok(Box::new(fleet::peer(backend)))
    }

    /// Nothing was sent, so another backend can have the request whatever its method.
    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        ctx: &mut Ctx,
        mut error: Box<Error>,
    ) -> Box<Error> {
        error.as_up();
        self.blame(ctx, &error);
        error.set_retry(self.has_another_try(ctx));
        error
    }

    /// Something was sent, and perhaps done.
    fn error_while_proxy(
        &self,
        peer: &HttpPeer,
        session: &mut Session,
        error: Box<Error>,
        ctx: &mut Ctx,
        reused: bool,
    ) -> Box<Error> {
        let mut error = error.more_context(format!("Peer: {peer}"));
        // So many at most: a request that makes every backend hang up would look stale for ever.
        let stale = retry::is_stale(&error, reused) && ctx.tries <= self.tries;
        if !stale {
            self.blame(ctx, &error);
        }
        let harmless = retry::is_harmless(session, &error);
        error.set_retry(harmless && (stale || self.has_another_try(ctx)));
        error
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        upstream_request: &mut RequestHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        upstream_request.insert_header("x-request-id", ctx.id.as_str())
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        _body: &mut Option<Bytes>,
        end_of_stream: bool,
        ctx: &mut Ctx,
    ) -> Result<()> {
        ctx.sent_whole |= end_of_stream;
        Ok(())
    }

    async fn response_filter(
        &self,
        _session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        ctx.blame = self.fleet.outliers.blame_status(response.status.as_u16());
        response.insert_header("x-request-id", ctx.id.as_str())?;
        response.insert_header("x-tries", ctx.tries)
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        ctx: &mut Ctx,
    ) -> FailToProxy {
        let status = errors::status(error);
        let retry_after = ctx.wait.map_or(self.retry_after, |wait| wait.as_secs() + 1);
        if let Err(error) = errors::answer(session, status, &ctx.id, retry_after).await {
            info!("{} the client did not take the answer: {error}", ctx.id);
        }
        FailToProxy {
            error_code: status,
            can_reuse_downstream: false,
        }
    }

    /// One line for each request, and its outcome for those who watch the backends.
    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Ctx) {
        self.report(ctx, error);
        let summary = self.request_summary(session, ctx);
        access_log::write(session, ctx, &summary, error);
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
    // Of a change in health Pingora writes a line too; board.rs has it.
    let log = "info,pingora=warn,pingora_load_balancing=error";
    env_logger::Builder::from_env(Env::default().default_filter_or(log)).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    start::run(&listen, &upstreams::from_env());
}
