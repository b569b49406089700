//! One line for each request that was understood, whatever came of it. Chapter 07 has a better one.

use log::{info, warn};
use pingora::{Error, ErrorType::ConnectRefused, http::RequestHeader, proxy::Session};

use crate::{Ctx, errors};

pub(crate) fn write(session: &Session, ctx: &Ctx, error: Option<&Error>) {
    let digest = session.digest();
    let tls = digest.and_then(|it| it.ssl_digest.as_ref());
    let line = format!(
        "{} {} {:?} {} upstream={} ms={}",
        summary(session.req_header(), &ctx.id),
        errors::status_sent(session),
        session.req_header().version,
        tls.map_or("plain", |it| it.version.as_ref()),
        ctx.tried.last().map_or("-".to_owned(), ToString::to_string),
        ctx.started.elapsed().as_millis(),
    );
    match error {
        None => info!("{line}"),
        Some(error) if error.etype() == &ConnectRefused => warn!(
            "{line} nothing listens there: start it, for example with `cargo run -p upstreams`"
        ),
        Some(error) => warn!("{line} error={error}"),
    }
}

/// Escaped: a line must stay one line, whatever bytes the target has. Without the query, where tokens travel.
pub(crate) fn summary(request: &RequestHeader, id: &str) -> String {
    let target = request.raw_path();
    let path = target.split(|byte| *byte == b'?').next();
    let path = path.unwrap_or_default().escape_ascii();
    format!("{} {path} id={id}", request.method)
}
