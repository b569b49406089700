//! A try has failed: whom that tells against, and whether there is another.

use std::time::Instant;

use pingora::{
    Error, ErrorSource,
    ErrorType::{ReadTimedout, WriteTimedout},
    RetryType,
    proxy::Session,
};

use crate::{Edge, ctx::Ctx, outlier};

/// Whether a connection from the pool was closed while it lay there: nobody's failure, and no try
/// (pingora-core, protocols/http/v1/client.rs marks what can only mean that on a connection that was used before).
pub(crate) fn is_stale(error: &Error, reused: bool) -> bool {
    reused && error.retry == RetryType::ReusedOnly
}

/// Whether a request that was sent, and perhaps done, can be sent again: it may be done twice (RFC 9110, section
/// 9.2.2), the client has seen nothing of an answer, and the body is still there (64 KiB of it are kept). What took
/// too long is not tried again: it would hold the next backend as long.
pub(crate) fn is_harmless(session: &Session, error: &Error) -> bool {
    error.esource() == &ErrorSource::Upstream
        && session.req_header().method.is_idempotent()
        && session.response_written().is_none()
        && !session.as_ref().retry_buffer_truncated()
        && !matches!(error.etype(), ReadTimedout | WriteTimedout)
}

impl Edge {
    /// Remembers who failed, for this request and for those to come.
    pub(crate) fn blame(&self, ctx: &mut Ctx, error: &Error) {
        ctx.blame = outlier::blame(error, ctx.sent_whole);
        if let (Some(why), Some(attempt)) = (&ctx.blame, ctx.attempt.take()) {
            ctx.failed.push(attempt.backend());
            self.fleet.outliers.failed(&attempt, why, Instant::now());
        }
    }

    /// Whether there is another try. The budget is asked last: what it grants is spent.
    pub(crate) fn has_another_try(&self, ctx: &Ctx) -> bool {
        let now = Instant::now();
        ctx.failed.len() < self.tries
            && self.fleet.has_another(&ctx.failed, now)
            && self.fleet.budget.take(now)
    }

    /// What came of the request in the end.
    pub(crate) fn report(&self, ctx: &mut Ctx, error: Option<&Error>) {
        let now = Instant::now();
        // After an error it was reported already.
        if let (Some(attempt), None) = (ctx.attempt.take(), error) {
            match &ctx.blame {
                Some(why) => self.fleet.outliers.failed(&attempt, why, now),
                None => self.fleet.outliers.succeeded(&attempt, now),
            }
        }
        // Without a word for or against the upstreams, as when the client went away, the pass is dropped.
        match (ctx.pass.take(), &ctx.blame) {
            (Some(pass), Some(why)) => pass.fail(why, now),
            (Some(pass), None) if error.is_none() => pass.succeed(now),
            _ => {}
        }
    }
}
