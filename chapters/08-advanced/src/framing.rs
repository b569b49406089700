//! Refuses what two servers could read in two ways: where a request ends, and whom it is for. That is what request
//! smuggling lives on. Pingora refuses most of it before any phase runs; this is what it passes on.

use http::{Method, Version, header, uri::Authority};
use pingora::{Error, ErrorType::HTTPStatus, Result, http::RequestHeader};

/// # Errors
/// The status to answer with.
pub(crate) fn check(request: &RequestHeader) -> Result<()> {
    if !has_host(request) {
        return refuse(400, "no host, or none that can be one");
    }
    if !has_known_target(request) {
        return refuse(400, "a target in none of the forms for a server");
    }
    if !has_one_length(request) {
        return refuse(400, "more than one Content-Length");
    }
    transfer_encoding(request)?;
    // It would send back what other proxies had added for this one only (RFC 9110, section 9.3.8).
    if request.method == Method::TRACE {
        return refuse(405, "TRACE");
    }
    Ok(())
}

/// RFC 9112, section 3.2. HTTP/1.0 knows hosts no less: without one, nobody can tell whom this is for.
fn has_host(request: &RequestHeader) -> bool {
    let host = match request.headers.get(header::HOST) {
        Some(host) => host.to_str().ok(),
        // HTTP/2 has `:authority` in its place.
        None if request.version == Version::HTTP_2 => {
            request.uri.authority().map(Authority::as_str)
        }
        None => None,
    };
    host.and_then(|it| it.parse::<Authority>().ok())
        .is_some_and(|it| !it.host().is_empty())
}

/// RFC 9112, section 3.2: a path, a whole URI, or an asterisk for OPTIONS.
fn has_known_target(request: &RequestHeader) -> bool {
    let target = request.raw_path();
    let scheme = |it: &[u8]| {
        target
            .get(..it.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(it))
    };
    target.starts_with(b"/")
        || scheme(b"http://")
        || scheme(b"https://")
        || (target == b"*" && request.method == Method::OPTIONS)
}

/// Equal ones could be made one (RFC 9110, section 8.6). Pingora reads them as one and passes on all of them; no client
/// that means well sends two.
fn has_one_length(request: &RequestHeader) -> bool {
    let mut lengths = request.headers.get_all(header::CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next()) {
        (None, _) => true,
        (Some(length), None) => length.as_bytes().iter().all(u8::is_ascii_digit),
        (Some(_), Some(_)) => false,
    }
}

/// Only `chunked`. A coding before it would be lost on the way: Pingora takes the chunks apart, puts the body into new
/// ones, and tells the upstream of these alone.
fn transfer_encoding(request: &RequestHeader) -> Result<()> {
    let lines = request.headers.get_all(header::TRANSFER_ENCODING);
    let codings: Vec<&[u8]> = lines
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .collect();
    let chunked = |it: &&[u8]| it.eq_ignore_ascii_case(b"chunked");
    match codings.as_slice() {
        [] => Ok(()),
        [one] if chunked(one) => Ok(()),
        // RFC 9112, sections 6.1 and 7: chunked is applied once.
        several if several.iter().all(chunked) => refuse(400, "chunked more than once"),
        _ => refuse(501, "a transfer coding that is not known here"),
    }
}

fn refuse(status: u16, why: &'static str) -> Result<()> {
    Error::e_explain(HTTPStatus(status), why)
}
