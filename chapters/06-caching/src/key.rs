//! Which requests ask for the same thing: the cache key (RFC 9111, section 2).
//!
//! Two requests that must not share an answer must never have one key; two spellings of one address may cost a second
//! upstream request, and nothing more. So the path and the query stay as they are, byte for byte.

use http::{HeaderMap, Uri, header};
use pingora::http::RequestHeader;
use pingora_cache::CacheKey;

/// The key of a GET or HEAD for this address; `None` if it is not clear which host is meant.
pub(crate) fn of(request: &RequestHeader) -> Option<CacheKey> {
    let (authority, target) = address(request)?;
    Some(frame(&authority, &target))
}

/// The key of an address that a response names, relative to the request that it answers; `None` if it is on another
/// origin (RFC 9111, section 4.4).
pub(crate) fn of_reference(request: &RequestHeader, reference: &str) -> Option<CacheKey> {
    let (authority, target) = address(request)?;
    let reference = reference.split('#').next().unwrap_or_default();
    if let Some(after) = reference.strip_prefix("//") {
        return of_reference(request, &format!("http://{after}"));
    }
    if has_scheme(reference) {
        let uri: Uri = reference.parse().ok()?;
        let same =
            uri.scheme_str() == Some("http") && normalized(uri.authority()?.as_str()) == authority;
        return same.then(|| frame(&authority, target_of(&uri).as_bytes()));
    }
    if reference.is_empty() {
        return Some(frame(&authority, &target));
    }
    let base = target
        .split(|byte| *byte == b'?')
        .next()
        .unwrap_or_default();
    let target = resolve(&String::from_utf8_lossy(base), reference);
    Some(frame(&authority, target.as_bytes()))
}

/// Each part with its length before it, so that no two lists of parts have the same bytes.
fn frame(authority: &str, target: &[u8]) -> CacheKey {
    let mut key = Vec::new();
    for part in [b"http".as_slice(), authority.as_bytes(), target] {
        key.extend_from_slice(&part.len().to_be_bytes());
        key.extend_from_slice(part);
    }
    CacheKey::new(key, "")
}

/// Host and target: of the target itself where it is absolute (RFC 9112, section 3.2.2).
fn address(request: &RequestHeader) -> Option<(String, Vec<u8>)> {
    let raw = request.raw_path();
    if raw.starts_with(b"/") {
        return Some((normalized(only_host(&request.headers)?), raw.to_owned()));
    }
    let uri: Uri = std::str::from_utf8(raw).ok()?.parse().ok()?;
    let target = target_of(&uri).into_bytes();
    Some((normalized(uri.authority()?.as_str()), target))
}

/// Path and query. No path at all is `/` (RFC 9110, section 4.2.3), also before a query.
fn target_of(uri: &Uri) -> String {
    let target = uri.path_and_query().map_or("/", |it| it.as_str());
    match target.starts_with('/') {
        true => target.to_owned(),
        false => format!("/{target}"),
    }
}

/// Whether a reference begins with a scheme; elsewhere a colon is only text (RFC 3986, section 4.2).
fn has_scheme(reference: &str) -> bool {
    let end = reference.find([':', '/', '?']);
    end.is_some_and(|end| reference.as_bytes().get(end) == Some(&b':'))
}

fn only_host(headers: &HeaderMap) -> Option<&str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok(),
        _ => None,
    }
}

/// Case does not matter in a host, and 80 is what is meant without a port (RFC 9110, section 4.2.3).
fn normalized(authority: &str) -> String {
    let authority = authority.to_ascii_lowercase();
    let authority = authority.strip_suffix(":80").unwrap_or(&authority);
    authority.strip_suffix(':').unwrap_or(authority).to_owned()
}

/// A relative reference (RFC 3986, section 5.2), for paths.
fn resolve(base: &str, reference: &str) -> String {
    let end = reference.find('?').unwrap_or(reference.len());
    let (path, query) = reference.split_at(end);
    let folder = base
        .rfind('/')
        .map_or("/", |at| base.get(..=at).unwrap_or("/"));
    let path = match path {
        "" => base.to_owned(),
        path if path.starts_with('/') => path.to_owned(),
        path => format!("{folder}{path}"),
    };
    without_dots(&path) + query
}

/// RFC 3986, section 5.2.4.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let last = segments.len().saturating_sub(1);
    for (at, segment) in segments.into_iter().enumerate() {
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if at == last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use pingora_cache::key::CacheHashKey;

    use super::*;

    fn request(host: &str, target: &str) -> RequestHeader {
        let mut request = RequestHeader::build("GET", target.as_bytes(), None).unwrap();
        request.insert_header("host", host).unwrap();
        request
    }

    fn key(host: &str, target: &str) -> String {
        of(&request(host, target)).unwrap().primary()
    }

    #[test]
    fn one_address_has_one_key() {
        let plain = key("example.com", "/a?b");
        assert_eq!(plain, key("EXAMPLE.com", "/a?b"));
        assert_eq!(plain, key("example.com:80", "/a?b"));
        assert_eq!(plain, key("other", "http://example.com/a?b"));
    }

    #[test]
    fn two_addresses_have_two() {
        let all = [
            ("example.com", "/a?b"),
            ("example.com", "/a"),
            ("example.com", "/a?"),
            ("example.com", "/A?b"),
            ("example.com", "/a%3Fb"),
            ("example.com", "/a?b=1&c=2"),
            ("example.com", "/a?c=2&b=1"),
            ("example.com:8080", "/a?b"),
            ("example.com.", "/a?b"),
            ("example.co", "/m/a?b"),
        ];
        let keys: std::collections::HashSet<_> = all.iter().map(|(h, t)| key(h, t)).collect();
        assert_eq!(keys.len(), all.len());
    }

    #[test]
    fn references_are_resolved_and_kept_to_the_origin() {
        let asked = request("example.com", "/a/b?c");
        let found = |reference| of_reference(&asked, reference).map(|key| key.primary());
        for (reference, target) in [
            ("/x?y", "/x?y"),
            ("x", "/a/x"),
            ("../x", "/x"),
            ("./x/../y#z", "/a/y"),
            ("?d", "/a/b?d"),
            ("", "/a/b?c"),
            ("#z", "/a/b?c"),
            ("x?http://example.org/", "/a/x?http://example.org/"),
            ("/http://example.org/", "/http://example.org/"),
            ("http://example.com?x", "/?x"),
            ("http://EXAMPLE.com/x", "/x"),
            ("//example.com/x", "/x"),
            ("http://example.com", "/"),
        ] {
            assert_eq!(
                found(reference),
                Some(key("example.com", target)),
                "{reference}"
            );
        }
        for other in [
            "http://example.org/x",
            "https://example.com/x",
            "http://example.com:81/x",
            "mailto:x",
            "urn:example.com",
        ] {
            assert_eq!(found(other), None, "{other}");
        }
    }
}
