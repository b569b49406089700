//! One line for each request that was for the backends, whatever came of it. Those that ask for the proxy's own health
//! come every second and say nothing.

use log::{info, warn};
use pingora::{Error, proxy::Session};

use crate::ctx::Ctx;

/// `summary` names the request.
pub(crate) fn write(session: &Session, ctx: &Ctx, summary: &str, error: Option<&Error>) {
    if ctx.own {
        return;
    }
    let status = session
        .response_written()
        .filter(|response| !response.status.is_informational() || response.status == 101)
        .map_or(0, |response| response.status.as_u16());
    let upstream = ctx.upstream.map_or("-".to_owned(), |it| it.to_string());
    let (tries, ms) = (ctx.tries, ctx.started.elapsed().as_millis());
    let line = format!("{summary} {status} upstream={upstream} tries={tries} ms={ms}");
    match error {
        None => info!("{line}"),
        Some(error) => warn!("{line} error={error}"),
    }
}
