//! What may be stored, and which of its fields (RFC 9111, section 3).

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use pingora::http::ResponseHeader;

use crate::{
    directives::Directives,
    freshness::{Lifetime, is_heuristically_cacheable},
    validate, vary,
};

/// Fields of one connection, or for one proxy, that are not stored (RFC 9111, section 3.1). Age is not either: it is
/// counted anew each time.
const NOT_STORED: [&str; 11] = [
    "age",
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Fields for all who pass a response on. Connection cannot take them away (RFC 9110, section 7.6.1): what they forbid
/// would be forgotten.
const FOR_ALL: [&str; 8] = [
    "age",
    "cache-control",
    "cdn-cache-control",
    "content-length",
    "date",
    "expires",
    // What frames the message is Pingora's.
    "transfer-encoding",
    "vary",
];

/// Why the response to a GET must not be stored, or is not worth it; `None` if it can be.
pub(crate) fn refusal(
    request: &HeaderMap,
    status: StatusCode,
    response: &HeaderMap,
    directives: &Directives,
) -> Option<&'static str> {
    // Parts, and answers to conditions that were ours.
    if matches!(status.as_u16(), 206 | 304) || status.is_informational() {
        return Some("status");
    }
    // Whoever understands the status may pass over a no-store that is meant for who does not (section 5.2.2.3).
    let understood = status.canonical_reason().is_some();
    if directives.has("must-understand") {
        if !understood {
            return Some("must-understand");
        }
    } else if directives.has("no-store") {
        return Some("no-store");
    }
    if directives.has_unqualified("private") {
        return Some("private");
    }
    if request.contains_key(header::AUTHORIZATION) && !is_for_everyone(directives) {
        return Some("authorization");
    }
    if vary::by_more_than_headers(response) {
        return Some("vary");
    }
    if sets_cookie(response, directives) {
        return Some("set-cookie");
    }
    None
}

/// What lets an answer to somebody who named himself be stored for everybody (RFC 9111, section 3.5).
fn is_for_everyone(directives: &Directives) -> bool {
    let allowing = ["public", "s-maxage", "must-revalidate"];
    allowing.into_iter().any(|name| directives.has(name))
}

/// RFC 9111 lets a cache store a cookie and hand it to everybody (section 7.3). Where it was meant for one, that is a
/// stolen session; where it was meant for all, not storing costs a request. So it is not stored, whatever else the
/// response says, unless it says that this field is not to be stored or not to be sent again.
fn sets_cookie(response: &HeaderMap, directives: &Directives) -> bool {
    let named = |name| directives.fields(name).contains(&header::SET_COOKIE);
    response.contains_key(header::SET_COOKIE) && !named("private") && !named("no-cache")
}

/// Whether anything could be done with it: it is fresh for a while, or can be validated, or may be used stale.
pub(crate) fn is_worth_storing(
    status: StatusCode,
    response: &HeaderMap,
    directives: &Directives,
    lifetime: Lifetime,
) -> bool {
    let allowed = is_heuristically_cacheable(status)
        || directives.has("public")
        || matches!(lifetime, Lifetime::Explicit(_));
    let usable = !lifetime.duration().is_zero() && !directives.has_unqualified("no-cache");
    let stale = ["stale-while-revalidate", "stale-if-error"];
    let stale = stale.into_iter().any(|name| directives.has(name));
    allowed && (usable || stale || validate::can_be(response))
}

/// What is stored of a header, and what is for this one client only.
pub(crate) struct Split {
    pub(crate) stored: ResponseHeader,
    pub(crate) withheld: Vec<(HeaderName, HeaderValue)>,
}

/// `private="field"` and `no-cache="field"`: the rest is for everybody (RFC 9111, sections 5.2.2.4 and 5.2.2.7).
///
/// A field that needs validation before it is sent again is treated as one that must not be stored: after a validation
/// that brings it along, it is sent.
pub(crate) fn split(mut header: ResponseHeader, directives: &Directives) -> Split {
    let mut withheld = Vec::new();
    let named = ["private", "no-cache"].map(|name| directives.fields(name));
    // Without its length a body would be framed another way than its header says.
    let named = named.into_iter().flatten();
    for name in named.filter(|name| name != header::CONTENT_LENGTH) {
        let values = header.headers.get_all(&name).iter().cloned();
        withheld.extend(values.map(|value| (name.clone(), value)));
        header.remove_header(&name);
    }
    for name in NOT_STORED {
        header.remove_header(name);
    }
    Split {
        stored: header,
        withheld,
    }
}

/// Takes away what Connection names: it ends here (RFC 9110, section 7.6.1).
pub(crate) fn remove_connection_fields(header: &mut ResponseHeader) {
    let lines = header.headers.get_all(header::CONNECTION).iter();
    let names: Vec<HeaderName> = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in names {
        if !FOR_ALL.contains(&name.as_str()) {
            header.remove_header(&name);
        }
    }
    header.remove_header("keep-alive");
    header.remove_header("proxy-connection");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::headers;

    fn refused(
        status: u16,
        request: &[(&'static str, &'static str)],
        response: &[(&'static str, &'static str)],
    ) -> Option<&'static str> {
        let response = headers(response);
        let directives = Directives::of_response(&response);
        let status = StatusCode::from_u16(status).unwrap();
        refusal(&headers(request), status, &response, &directives)
    }

    #[test]
    fn what_is_not_ours_is_refused() {
        let cc = "cache-control";
        assert_eq!(refused(200, &[], &[(cc, "max-age=9")]), None);
        assert_eq!(
            refused(200, &[], &[(cc, "max-age=9, No-Store")]),
            Some("no-store")
        );
        assert_eq!(refused(200, &[], &[(cc, "private")]), Some("private"));
        assert_eq!(refused(200, &[], &[(cc, "private=\"a\"")]), None);
        assert_eq!(
            refused(200, &[], &[(cc, "private=\"a\", private")]),
            Some("private")
        );
        assert_eq!(refused(200, &[], &[("vary", "*")]), Some("vary"));
        assert_eq!(refused(206, &[], &[(cc, "max-age=9")]), Some("status"));
    }

    #[test]
    fn must_understand_is_for_who_understands() {
        let both = [("cache-control", "must-understand, no-store, max-age=9")];
        assert_eq!(refused(200, &[], &both), None);
        assert_eq!(refused(599, &[], &both), Some("must-understand"));
        assert_eq!(refused(599, &[], &[("cache-control", "max-age=9")]), None);
    }

    #[test]
    fn answers_to_somebody_need_permission() {
        let asked = [("authorization", "Basic eA==")];
        let with = |value| refused(200, &asked, &[("cache-control", value)]);
        assert_eq!(with("max-age=9"), Some("authorization"));
        for value in ["public", "s-maxage=9", "max-age=9, must-revalidate"] {
            assert_eq!(with(value), None, "{value}");
        }
    }

    #[test]
    fn cookies_are_for_one() {
        let with = |value| refused(200, &[], &[("set-cookie", "a=b"), ("cache-control", value)]);
        assert_eq!(with("public, s-maxage=9"), Some("set-cookie"));
        assert_eq!(with("max-age=9, private=\"set-cookie\""), None);
        assert_eq!(with("max-age=9, no-cache=\"Set-Cookie\""), None);
    }
}
