//! A prefix that the upstream knows nothing of: taken off on the way in, put back on the way out.

use http::HeaderValue;
use pingora::{
    ErrorType::InternalError,
    OrErr, Result,
    http::{RequestHeader, ResponseHeader},
};

/// Takes the prefix off the path and changes nothing else of the target.
pub(crate) fn take_off(prefix: &str, request: &mut RequestHeader) -> Result<()> {
    // In UTF-8: other bytes Pingora refuses before any phase (httparse, lib.rs, parse_uri).
    let target = request.uri.path_and_query();
    let target = target.map_or("/", |target| target.as_str());
    let rest = target.strip_prefix(prefix).unwrap_or(target);
    // Nothing may be left, or only the query, and a path is never empty (RFC 9112, section 3.2.1).
    let slash = if rest.starts_with('/') { "" } else { "/" };
    let target = format!("{slash}{rest}");
    request.set_raw_path(target.as_bytes())
}

/// Puts the prefix back where the answer leads to this upstream. `own` are the names it may give itself.
pub(crate) fn put_back(prefix: &str, own: &[&str], response: &mut ResponseHeader) -> Result<()> {
    for name in ["location", "content-location"] {
        let Some(value) = response.headers.get(name) else {
            continue;
        };
        // to_str would refuse what is not ASCII.
        let Ok(reference) = std::str::from_utf8(value.as_bytes()) else {
            continue;
        };
        if let Some(path) = path_on_upstream(reference, own) {
            let public = format!("{prefix}{path}");
            let public = HeaderValue::from_bytes(public.as_bytes());
            response.insert_header(name, public.or_err(InternalError, "not a header's value")?)?;
        }
    }
    Ok(())
}

/// The path that a reference names on the upstream. None if it leads elsewhere, or is relative to the path, which is
/// right as it stands.
fn path_on_upstream<'a>(reference: &'a str, own: &[&str]) -> Option<&'a str> {
    let Some(rest) = after_scheme(reference) else {
        return reference.starts_with('/').then_some(reference);
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    own.iter().find(|own| own.eq_ignore_ascii_case(authority))?;
    Some(path)
}

/// What follows the `//` of an absolute reference by http, or of one that leaves the scheme out.
fn after_scheme(reference: &str) -> Option<&str> {
    let scheme = reference.get(..5);
    if scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("http:")) {
        return reference.get(5..)?.strip_prefix("//");
    }
    reference.strip_prefix("//")
}
