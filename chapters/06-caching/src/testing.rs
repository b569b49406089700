//! What the unit tests of several modules need.

use http::HeaderMap;

/// These lines; several of one name stay several.
pub(crate) fn headers(lines: &[(&'static str, impl AsRef<str>)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, value.as_ref().parse().unwrap());
    }
    headers
}
