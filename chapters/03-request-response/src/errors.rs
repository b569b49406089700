//! What the client is told when its request is refused or fails: the right status, a body it can parse, and no
//! internals.

use bytes::Bytes;
use pingora::{
    Error, ErrorSource,
    ErrorType::{
        ConnectTimedout, ConnectionClosed, HTTPStatus, ReadError, ReadTimedout,
        TLSHandshakeTimedout, WriteError, WriteTimedout,
    },
    Result,
    http::ResponseHeader,
    protocols::http::ServerSession,
    proxy::Session,
};
use serde_json::json;

use crate::rules;

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

/// Refuses a request before any upstream is asked. The connection can be used again.
///
/// # Errors
/// The client no longer takes what is sent.
pub(crate) async fn refuse(session: &mut Session, status: u16) -> Result<()> {
    let (header, body) = message(status)?;
    // HEAD has the header that GET would have, and no body (RFC 9110, section 9.3.2).
    let head = session.req_header().method == "HEAD";
    session
        .write_response_header(Box::new(header), head)
        .await?;
    if !head {
        session.write_response_body(Some(body), true).await?;
    }
    Ok(())
}

/// Answers what has failed, and ends the connection. Does nothing when the client is gone or an answer has begun: then
/// the closed connection tells that the rest is missing.
///
/// # Errors
/// The client no longer takes what is sent.
pub(crate) async fn answer(session: &mut Session, status: u16) -> Result<()> {
    if status == 0 {
        return Ok(());
    }
    let (header, body) = message(status)?;
    session.write_error_response(header, body).await
}

/// `response_filter` does not see these answers, so the rules for answers are applied here.
fn message(status: u16) -> Result<(ResponseHeader, Bytes)> {
    let error = match status {
        400 => "bad request",
        404 => "not found",
        408 => "request timeout",
        502 => "bad gateway",
        503 => "service unavailable",
        504 => "gateway timeout",
        _ => "internal error",
    };
    let body = json!({ "error": error, "status": status }).to_string() + "\n";
    let mut header = ServerSession::generate_error(status);
    header.insert_header("content-type", "application/json")?;
    header.set_content_length(body.len())?;
    rules::to_client(&mut header)?;
    Ok((header, body.into()))
}
