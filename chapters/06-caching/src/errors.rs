//! Answers of the proxy's own: the right status, a body that can be parsed, and no internals.

use http::StatusCode;
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
/// `validating`: what is stored must not be used without the upstream, which cannot be asked (RFC 9111, section 5.2.2.2).
pub(crate) fn status(error: &Error, validating: bool) -> u16 {
    match (error.esource(), error.etype()) {
        (_, HTTPStatus(status)) => *status,
        (ErrorSource::Upstream, _) if validating => 504,
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

/// Answers with the status and what the cache did. Does nothing when the client is gone or an answer has begun.
///
/// # Errors
/// The client no longer takes what is sent.
pub(crate) async fn answer(session: &mut Session, status: u16, cache_status: &str) -> Result<()> {
    if status == 0 {
        return Ok(());
    }
    let reason = StatusCode::from_u16(status).ok();
    let reason = reason.and_then(|status| status.canonical_reason());
    let error = reason.unwrap_or("error").to_ascii_lowercase();
    let body = json!({ "error": error, "status": status }).to_string() + "\n";
    let mut header = ServerSession::generate_error(status);
    header.insert_header("content-type", "application/json")?;
    header.insert_header("cache-status", cache_status)?;
    header.set_content_length(body.len())?;
    session.write_error_response(header, body.into()).await
}
