//! What the upstream is told about the client, in place of what the client claims.

use http::{HeaderValue, header::COOKIE};
use pingora::{Result, http::RequestHeader, proxy::Session};

/// # Errors
/// A value is no header value.
pub(crate) fn add(session: &Session, upstream_request: &mut RequestHeader, id: &str) -> Result<()> {
    upstream_request.insert_header("x-request-id", id)?;
    // Inserted or removed, so whatever the client claims is gone: nobody stands before this proxy.
    upstream_request.remove_header("forwarded");
    if let Some(client) = session.client_addr().and_then(|address| address.as_inet()) {
        let client = client.ip().to_canonical().to_string();
        upstream_request.insert_header("x-forwarded-for", client)?;
    }
    upstream_request.insert_header("x-forwarded-proto", "https")?;
    match upstream_request.headers.get("host").cloned() {
        Some(host) => upstream_request.insert_header("x-forwarded-host", host)?,
        None => drop(upstream_request.remove_header("x-forwarded-host")),
    }
    join_cookies(upstream_request)
}

/// HTTP/2 may send a cookie in pieces, and a server of HTTP/1.1 expects one line (RFC 9113, section 8.2.3).
fn join_cookies(request: &mut RequestHeader) -> Result<()> {
    let lines: Vec<&[u8]> = request
        .headers
        .get_all(COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if lines.len() > 1 {
        let joined = lines.join(b"; ".as_slice());
        if let Ok(joined) = HeaderValue::from_bytes(&joined) {
            request.insert_header(COOKIE, joined)?;
        }
    }
    Ok(())
}
