//! What the client is told when a request fails: the right status, a body it can parse, and no internals.

use http::HeaderValue;
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

use crate::redirect;

/// The status for an error (RFC 9110, sections 15.5 and 15.6); 0 when the client is gone and cannot be told.
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
        (ErrorSource::Downstream, ReadTimedout | WriteTimedout) => 408,
        (ErrorSource::Downstream, _) => 400,
        (ErrorSource::Internal | ErrorSource::Unset, _) => 500,
    }
}

/// Answers with the status and the request's id. Does nothing when the client is gone or an answer has begun: then the
/// connection that ends too early tells that the rest is missing.
///
/// # Errors
/// The client no longer takes what is sent.
pub(crate) async fn answer(session: &mut Session, status: u16, id: &str) -> Result<()> {
    if status == 0 || session.response_written().is_some_and(is_final) {
        return Ok(());
    }
    let error = match status {
        400 => "bad request",
        405 => "method not allowed",
        408 => "request timeout",
        413 => "content too large",
        431 => "request header fields too large",
        501 => "not implemented",
        502 => "bad gateway",
        503 => "service unavailable",
        504 => "gateway timeout",
        _ => "internal error",
    };
    let body = json!({ "error": error, "status": status, "request_id": id }).to_string() + "\n";
    let mut header = ServerSession::generate_error(status);
    let kind = HeaderValue::from_static("application/json");
    header.insert_header("content-type", kind)?;
    header.insert_header("x-request-id", id)?;
    if status == 405 {
        // RFC 9110, section 15.5.6.
        header.insert_header("allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")?;
    }
    redirect::add_hsts(session, &mut header)?;
    header.set_content_length(body.len())?;
    session.write_error_response(header, body.into()).await
}

/// The status that the client was sent, or 0. A 1xx is no answer yet, but for 101, which is the last there will be.
pub(crate) fn status_sent(session: &Session) -> u16 {
    let response = session.response_written().filter(|it| is_final(it));
    response.map_or(0, |it| it.status.as_u16())
}

fn is_final(response: &ResponseHeader) -> bool {
    !response.status.is_informational() || response.status == 101
}
