//! What the client is told when a request fails: the right status, a body it can parse, and no internals.

use http::HeaderValue;
use pingora::{
    Error, ErrorSource, ErrorType::HTTPStatus, Result, protocols::http::ServerSession,
    proxy::Session,
};
use serde_json::json;

use crate::outcome::Outcome;

/// The status for an error (RFC 9110, sections 15.5 and 15.6); 0 when the client is gone and cannot be told.
///
/// Pingora by itself answers 502 to a time-out too (pingora-proxy, proxy_trait.rs, `fail_to_proxy`).
pub(crate) fn status(error: &Error) -> u16 {
    if let HTTPStatus(status) = error.etype() {
        return *status;
    }
    match Outcome::of(Some(error), false) {
        Outcome::ClientGone => 0,
        Outcome::ClientTimedOut => 408,
        Outcome::TimedOut => 504,
        Outcome::Refused | Outcome::UpstreamFailed => 502,
        Outcome::Failed if error.esource() == &ErrorSource::Downstream => 400,
        Outcome::Failed | Outcome::Answered | Outcome::Local => 500,
    }
}

/// Answers with the status and the trace's id, by which the log line is found. Does nothing when the client is gone or
/// an answer has begun: then the closed connection tells that the rest is missing.
///
/// # Errors
/// The client no longer takes what is sent.
pub(crate) async fn answer(session: &mut Session, status: u16, trace_id: &str) -> Result<()> {
    if status == 0 || session.response_written().is_some_and(is_final) {
        return Ok(());
    }
    let error = match status {
        400 => "bad request",
        408 => "request timeout",
        502 => "bad gateway",
        503 => "service unavailable",
        504 => "gateway timeout",
        _ => "internal error",
    };
    let body = json!({ "error": error, "status": status, "trace_id": trace_id }).to_string() + "\n";
    let mut header = ServerSession::generate_error(status);
    let kind = HeaderValue::from_static("application/json");
    header.insert_header("content-type", kind)?;
    header.set_content_length(body.len())?;
    session.write_error_response(header, body.into()).await
}

/// The status that the client was sent. A 1xx is no answer yet, but for 101, which is the last there will be.
pub(crate) fn status_sent(session: &Session) -> Option<u16> {
    let response = session.response_written().filter(|it| is_final(it))?;
    Some(response.status.as_u16())
}

fn is_final(response: &pingora::http::ResponseHeader) -> bool {
    !response.status.is_informational() || response.status == 101
}
