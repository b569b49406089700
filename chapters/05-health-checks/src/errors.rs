//! What the client is told when a request fails: the right status, a body it can parse, and no internals.

use pingora::{
    Error, ErrorSource,
    ErrorType::{
        ConnectTimedout, ConnectionClosed, HTTPStatus, ReadError, ReadTimedout,
        TLSHandshakeTimedout, WriteError, WriteTimedout,
    },
    Result,
    protocols::http::ServerSession,
    proxy::Session,
};
use serde_json::json;

/// The status for an error (RFC 9110, section 15.6); 0 when the client is gone and cannot be told.
///
/// Pingora by itself answers 502 to a time-out too (pingora-proxy, proxy_trait.rs, `fail_to_proxy`).
pub(crate) fn status(error: &Error) -> u16 {
    match (error.esource(), error.etype()) {
        (_, HTTPStatus(status)) => *status,
        (
            ErrorSource::Upstream,
            ConnectTimedout | TLSHandshakeTimedout | ReadTimedout | WriteTimedout,
        ) => 504,
        (ErrorSource::Upstream, _) => 502,
        (ErrorSource::Downstream, ConnectionClosed | ReadError | WriteError) => 0,
        (ErrorSource::Downstream, ReadTimedout) => 408,
        (ErrorSource::Downstream, _) => 400,
        (ErrorSource::Internal | ErrorSource::Unset, _) => 500,
    }
}

/// Answers with the status and the request's id; a 503 says after how many seconds to come again. Does nothing when
/// the client is gone or an answer has begun: then the closed connection tells that the rest is missing.
///
/// # Errors
/// The client no longer takes what is sent.
pub(crate) async fn answer(
    session: &mut Session,
    status: u16,
    id: &str,
    retry_after: u64,
) -> Result<()> {
    if status == 0 {
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
    let body = json!({ "error": error, "status": status, "request_id": id }).to_string() + "\n";
    let mut header = ServerSession::generate_error(status);
    header.insert_header("content-type", "application/json")?;
    header.insert_header("x-request-id", id)?;
    if status == 503 {
        header.insert_header("retry-after", retry_after)?;
    }
    header.set_content_length(body.len())?;
    session.write_error_response(header, body.into()).await
}
