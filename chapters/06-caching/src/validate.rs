//! Conditions: those of clients against what is stored, and what a 304 or a HEAD does to it (RFC 9110, section 13;
//! RFC 9111, section 4.3).

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, StatusCode, header};
use pingora::http::ResponseHeader;

use crate::freshness::{date, single_date};

/// What a 304 does not change: these say how the stored body is written (RFC 9111, section 3.2). A cookie is for one
/// client, and is not stored.
const NOT_UPDATED: [HeaderName; 5] = [
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::SET_COOKIE,
    header::TRANSFER_ENCODING,
];

/// An entity tag, split: whether it is weak, and what is between its quotes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Tag<'a> {
    weak: bool,
    opaque: &'a [u8],
}

/// Whether the client has this already: then 304 (RFC 9111, section 4.3.2).
pub(crate) fn is_not_modified(
    request: &HeaderMap,
    status: StatusCode,
    response: &HeaderMap,
    received: SystemTime,
) -> bool {
    if status != StatusCode::OK {
        return false;
    }
    if request.contains_key(header::IF_NONE_MATCH) {
        // If-Modified-Since is not even looked at then (RFC 9110, section 13.1.3).
        return matches_any(request, response);
    }
    let Some(since) = single_date(request, header::IF_MODIFIED_SINCE) else {
        return false;
    };
    let modified = single_date(response, header::LAST_MODIFIED);
    since >= modified.or_else(|| date(response)).unwrap_or(received)
}

fn matches_any(request: &HeaderMap, response: &HeaderMap) -> bool {
    let ours = tag_of(response);
    let mut lines = request.get_all(header::IF_NONE_MATCH).iter();
    lines.any(|line| {
        let line = line.as_bytes().trim_ascii();
        // Weak comparison: what is in the quotes decides (RFC 9110, section 8.8.3.2).
        line == b"*" || ours.is_some_and(|ours| tags(line).any(|tag| tag.opaque == ours.opaque))
    })
}

/// Whether a range is asked for of exactly this representation: compared strongly (RFC 9110, section 13.1.5).
pub(crate) fn if_range_holds(request: &HeaderMap, response: &HeaderMap) -> bool {
    let Some(condition) = request.get(header::IF_RANGE) else {
        return true;
    };
    let condition = condition.as_bytes().trim_ascii();
    if condition.starts_with(b"\"") {
        // One tag, to the last byte: a weak one begins with another.
        let tag = response.get(header::ETAG);
        return tag.is_some_and(|tag| tag.as_bytes().trim_ascii() == condition);
    }
    let modified = single_date(response, header::LAST_MODIFIED);
    let asked = single_date(request, header::IF_RANGE);
    // A date is a strong validator only if the representation cannot have changed twice in that second (section 8.8.2.2).
    let made = date(response);
    let strong = |modified: SystemTime| made.is_some_and(|made| made > modified);
    modified.is_some_and(|modified| asked == Some(modified) && strong(modified))
}

/// Whether there is something to ask with whether it is still the same.
pub(crate) fn can_be(response: &HeaderMap) -> bool {
    response.contains_key(header::ETAG) || response.contains_key(header::LAST_MODIFIED)
}

/// Whether a 304 is about what is stored (RFC 9111, section 4.3.4).
pub(crate) fn is_about(stored: &HeaderMap, not_modified: &HeaderMap) -> bool {
    match (tag_of(stored), tag_of(not_modified)) {
        (Some(stored), Some(new)) => stored.opaque == new.opaque,
        (None, Some(_)) => false,
        (_, None) => true,
    }
}

/// What a 304 makes of the stored header: all that it says replaces what was said before (RFC 9111, section 3.2).
pub(crate) fn updated(stored: &ResponseHeader, new: &HeaderMap) -> ResponseHeader {
    let mut header = stored.clone();
    for name in new.keys().filter(|name| !NOT_UPDATED.contains(name)) {
        header.remove_header(name);
        for value in new.get_all(name) {
            // Fails only for a name that is not one.
            _ = header.append_header(name.clone(), value);
        }
    }
    header
}

/// Whether the answer to a HEAD describes what is stored; if not, that is out of date (RFC 9111, section 4.3.5).
pub(crate) fn head_agrees(stored: &HeaderMap, head: &HeaderMap) -> bool {
    let compared = [header::ETAG, header::LAST_MODIFIED, header::CONTENT_LENGTH];
    compared.into_iter().all(|name| {
        let (old, new) = (stored.get(&name), head.get(&name));
        new.is_none() || old == new
    })
}

fn tag_of(response: &HeaderMap) -> Option<Tag<'_>> {
    tags(response.get(header::ETAG)?.as_bytes()).next()
}

/// The tags of a list. A comma may stand within one, and bytes that are no text; what is no tag ends the list.
fn tags(list: &[u8]) -> impl Iterator<Item = Tag<'_>> {
    let mut rest = list;
    std::iter::from_fn(move || {
        let start = rest.iter().position(|byte| !b", \t".contains(byte))?;
        rest = rest.get(start..)?;
        let weak = rest.starts_with(b"W/");
        let quoted = rest.strip_prefix(b"W/").unwrap_or(rest);
        let mut parts = quoted.strip_prefix(b"\"")?.splitn(2, |byte| *byte == b'"');
        let opaque = parts.next()?;
        rest = parts.next()?;
        Some(Tag { weak, opaque })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::headers;

    const OLD: &str = "Tue, 01 Jan 2019 00:00:00 GMT";
    const NEW: &str = "Wed, 01 Jan 2020 00:00:00 GMT";

    fn not_modified(
        request: &[(&'static str, &'static str)],
        response: &[(&'static str, &'static str)],
    ) -> bool {
        let received = SystemTime::now();
        is_not_modified(
            &headers(request),
            StatusCode::OK,
            &headers(response),
            received,
        )
    }

    #[test]
    fn tags_are_compared_weakly_and_whole() {
        let asked = |value| not_modified(&[("if-none-match", value)], &[("etag", "W/\"a,b\"")]);
        for same in ["\"a,b\"", "W/\"a,b\"", "\"x\", \"a,b\"", "*", ", \"a,b\","] {
            assert!(asked(same), "{same}");
        }
        for other in ["\"a\"", "\"a,b", "a,b", "\"x\"", "w/\"a,b\"", ""] {
            assert!(!asked(other), "{other}");
        }
    }

    #[test]
    fn dates_count_where_there_are_no_tags() {
        let modified = [("last-modified", OLD), ("etag", "\"a\"")];
        assert!(not_modified(&[("if-modified-since", NEW)], &modified));
        assert!(not_modified(&[("if-modified-since", OLD)], &modified));
        assert!(!not_modified(
            &[("if-modified-since", OLD)],
            &[("last-modified", NEW)]
        ));
        let both = [("if-modified-since", NEW), ("if-none-match", "\"b\"")];
        assert!(!not_modified(&both, &modified));
        assert!(not_modified(
            &[("if-modified-since", NEW)],
            &[("date", OLD)]
        ));
        assert!(!not_modified(&[("if-modified-since", "soon")], &modified));
    }

    #[test]
    fn ranges_are_compared_strongly() {
        let holds = |condition, response: &[(&'static str, &'static str)]| {
            if_range_holds(&headers(&[("if-range", condition)]), &headers(response))
        };
        assert!(holds("\"a\"", &[("etag", "\"a\"")]));
        assert!(!holds("\"a\"", &[("etag", "W/\"a\"")]));
        assert!(!holds("W/\"a\"", &[("etag", "W/\"a\"")]));
        assert!(holds(OLD, &[("last-modified", OLD), ("date", NEW)]));
        assert!(!holds(OLD, &[("last-modified", OLD), ("date", OLD)]));
        assert!(!holds(NEW, &[("last-modified", OLD), ("date", NEW)]));
    }

    #[test]
    fn an_update_replaces_and_keeps() {
        let mut stored = ResponseHeader::build(200, None).unwrap();
        for (name, value) in [("a", "1"), ("a", "2"), ("b", "1"), ("content-length", "5")] {
            stored.append_header(name, value).unwrap();
        }
        let new = headers(&[("a", "3"), ("c", "1"), ("c", "2"), ("content-length", "0")]);
        let updated = updated(&stored, &new);
        let values = |name| {
            Vec::from_iter(
                updated
                    .headers
                    .get_all(name)
                    .iter()
                    .map(|it| it.to_str().unwrap()),
            )
        };
        assert_eq!(values("a"), ["3"]);
        assert_eq!(values("b"), ["1"]);
        assert_eq!(values("c"), ["1", "2"]);
        assert_eq!(values("content-length"), ["5"]);
    }
}
