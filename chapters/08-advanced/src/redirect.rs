//! From HTTP to HTTPS: by an answer on the plain port, and by a header after which browsers do not ask there again.

use http::{HeaderValue, Uri, uri::Authority};
use pingora::{
    Error,
    ErrorType::HTTPStatus,
    Result,
    http::{RequestHeader, ResponseHeader},
    proxy::Session,
};

/// A year. It cannot be taken back within that time: begin with minutes when a site is new to HTTPS (RFC 6797).
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

pub(crate) fn is_tls(session: &Session) -> bool {
    session.digest().is_some_and(|it| it.ssl_digest.is_some())
}

/// Over TLS alone: on a plain connection anybody on the way could set it (RFC 6797, section 7.2).
///
/// # Errors
/// None that can happen: the value is a constant.
pub(crate) fn add_hsts(session: &Session, response: &mut ResponseHeader) -> Result<()> {
    if is_tls(session) {
        response.insert_header("strict-transport-security", HSTS)?;
    }
    Ok(())
}

/// All that the plain port answers: how this process is, for whoever looks after it, and else where to go.
///
/// # Errors
/// The request names no host, or the client takes no answer.
pub(crate) async fn answer(session: &mut Session, https_port: u16) -> Result<()> {
    if session.req_header().raw_path() == b"/healthz" {
        return healthy(session).await;
    }
    let location = location(session.req_header(), https_port)
        .ok_or_else(|| Error::explain(HTTPStatus(400), "no host to redirect to"))?;
    // Unlike 301 it keeps method and body (RFC 9110, section 15.4.9).
    let mut header = ResponseHeader::build(308, None)?;
    header.insert_header("location", location)?;
    header.set_content_length(0)?;
    session.write_response_header(Box::new(header), true).await
}

async fn healthy(session: &mut Session) -> Result<()> {
    let mut header = ResponseHeader::build(200, None)?;
    header.insert_header("content-type", "text/plain")?;
    header.insert_header("cache-control", "no-store")?;
    header.set_content_length(3)?;
    session
        .write_response_header(Box::new(header), false)
        .await?;
    session.write_response_body(Some("ok\n".into()), true).await
}

/// The same target, byte for byte, at the same host, on the TLS port.
fn location(request: &RequestHeader, port: u16) -> Option<HeaderValue> {
    let authority = request.headers.get("host")?.to_str().ok()?;
    let authority: Authority = authority.parse().ok()?;
    let absolute;
    let target = match request.raw_path() {
        target if target.starts_with(b"/") => target,
        // The absolute form, which a server has to understand (RFC 9112, section 3.2.2).
        target => {
            absolute = Uri::try_from(target).ok()?;
            absolute.path_and_query()?.as_str().as_bytes()
        }
    };
    let port = match port {
        443 => String::new(),
        port => format!(":{port}"),
    };
    let host = authority.host().as_bytes();
    let location = [b"https://", host, port.as_bytes(), target].concat();
    HeaderValue::from_bytes(&location).ok()
}
