//! What a request that changes things makes out of date (RFC 9111, section 4.4).

use http::{HeaderMap, StatusCode, header};
use pingora::http::RequestHeader;
use pingora_cache::CacheKey;

use crate::key;

/// The address that was asked for, and those on the same origin that Location and Content-Location name; none if
/// nothing was changed, by the status.
pub(crate) fn keys(
    request: &RequestHeader,
    status: StatusCode,
    response: &HeaderMap,
) -> Vec<CacheKey> {
    if !status.is_success() && !status.is_redirection() {
        return Vec::new();
    }
    let named = [header::LOCATION, header::CONTENT_LOCATION];
    let named = named
        .iter()
        .filter_map(|name| response.get(name)?.to_str().ok());
    let named = named.filter_map(|reference| key::of_reference(request, reference.trim()));
    key::of(request).into_iter().chain(named).collect()
}
