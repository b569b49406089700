//! One line for each request that was understood, whatever came of it. Malformed ones Pingora refuses before any phase.

use log::{info, warn};
use pingora::{Error, ErrorType::ConnectRefused, proxy::Session};

use crate::Ctx;

pub(crate) fn write(session: &Session, error: Option<&Error>, ctx: &Ctx) {
    let status = session
        .response_written()
        // A 100 or 103 is not an answer yet; a 101 is.
        .filter(|response| !response.status.is_informational() || response.status == 101)
        .map_or(0, |response| response.status.as_u16());
    let (request, route) = (request(session), route(ctx));
    let ms = ctx.started.elapsed().as_millis();
    let line = format!("{request} {status} {route} ms={ms}");
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

/// Escaped: a log line must stay one line, whatever bytes the request has.
pub(crate) fn request(session: &Session) -> String {
    let request = session.req_header();
    let target = request.raw_path().escape_ascii();
    let host = request.headers.get("host").map(|host| host.as_bytes());
    let host = host.unwrap_or(b"-").escape_ascii();
    format!("{} {target} host={host}", request.method)
}

fn route(ctx: &Ctx) -> String {
    match ctx.route {
        Some((route, upstream)) => format!("route={} upstream={upstream}", route.prefix),
        None => "route=- upstream=-".to_owned(),
    }
}
