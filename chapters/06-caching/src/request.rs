//! What a request asks of the cache (RFC 9111, section 5.2.1), and whether a stored response will do.

use http::{HeaderMap, Method, header};
use pingora::http::RequestHeader;
use std::time::Duration;

use crate::{directives::Directives, freshness::forbids_stale};

/// What kind of request it is, to a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Get,
    /// Answered from a stored GET; its own answer is not stored, but may update one.
    Head,
    /// PURGE, by custom: forget what is stored.
    Purge,
    /// Changes nothing, and is passed on.
    Safe,
    /// May change what is stored: unsafe methods, and those that are not known (RFC 9111, section 4.4).
    Unsafe,
    /// A GET that the cache has no part in.
    Aside,
}

pub(crate) fn kind(request: &RequestHeader, has_body: bool) -> Kind {
    match request.method {
        Method::GET | Method::HEAD if is_aside(&request.headers, has_body) => Kind::Aside,
        Method::GET => Kind::Get,
        Method::HEAD => Kind::Head,
        Method::OPTIONS | Method::TRACE => Kind::Safe,
        _ if request.method.as_str() == "PURGE" => Kind::Purge,
        _ => Kind::Unsafe,
    }
}

/// If-Match and If-Unmodified-Since are for the origin (RFC 9110, section 13.1), and Pingora would take them out of a
/// request that may be cached. A body may say what is wanted, and is not part of the key. An upgrade is no message.
fn is_aside(headers: &HeaderMap, has_body: bool) -> bool {
    let names = [
        header::IF_MATCH,
        header::IF_UNMODIFIED_SINCE,
        header::UPGRADE,
    ];
    has_body || names.iter().any(|name| headers.contains_key(name))
}

/// What becomes of a stored response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// Its freshness decides.
    AsItIs,
    /// It is asked about first, fresh or not.
    Validate,
    /// It is used, though it is stale: the client said so.
    Reuse,
}

/// How old a stored response is, and how long it is still fresh, or since when not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State {
    pub(crate) age: Duration,
    pub(crate) fresh_for: Duration,
    pub(crate) stale_for: Duration,
    pub(crate) is_fresh: bool,
}

/// RFC 9111, section 5.2.1, and `immutable` (RFC 8246, section 2).
pub(crate) fn judge(request: &Directives, response: &Directives, state: State) -> Judgement {
    if request.has("no-cache") {
        return Judgement::Validate;
    }
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    let max_stale = request.max_stale().filter(|_| !forbids_stale(response));
    // A reload asks for max-age=0; what does not change while it is fresh need not be asked about.
    let immutable = state.is_fresh && response.has("immutable");
    let too_old = request
        .least("max-age")
        .map(seconds)
        .is_some_and(|most| state.age > most);
    let zero = request.least("max-age") == Some(0);
    if (too_old || zero) && !immutable && max_stale.is_none() {
        return Judgement::Validate;
    }
    let least = request.greatest("min-fresh").map(seconds);
    if state.is_fresh && least.is_some_and(|least| state.fresh_for < least) {
        return Judgement::Validate;
    }
    match max_stale.map(seconds) {
        Some(most) if !state.is_fresh && state.stale_for <= most => Judgement::Reuse,
        _ => Judgement::AsItIs,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(request: &str, response: &str, age: u64, lifetime: u64) -> Judgement {
        let headers = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("cache-control", value.parse().unwrap());
            headers
        };
        let seconds = Duration::from_secs;
        let state = State {
            age: seconds(age),
            fresh_for: seconds(lifetime.saturating_sub(age)),
            stale_for: seconds(age.saturating_sub(lifetime)),
            is_fresh: age < lifetime,
        };
        let request = Directives::of_request(&headers(request));
        judge(
            &request,
            &Directives::of_response(&headers(response)),
            state,
        )
    }

    #[test]
    fn a_client_may_want_it_fresher() {
        use Judgement::{AsItIs, Validate};
        for (request, age, judgement) in [
            ("no-cache", 1, Validate),
            ("max-age=10", 10, AsItIs),
            ("max-age=10", 11, Validate),
            ("max-age=0", 0, Validate),
            ("max-age=x", 0, Validate),
            ("min-fresh=50", 50, AsItIs),
            ("min-fresh=50", 51, Validate),
            ("min-fresh=x", 0, Validate),
            ("max-stale=5", 99, AsItIs),
        ] {
            assert_eq!(
                judged(request, "", age, 100),
                judgement,
                "{request} at {age}"
            );
        }
    }

    #[test]
    fn a_client_may_take_it_stale() {
        use Judgement::{AsItIs, Reuse};
        assert_eq!(judged("max-stale", "", 1000, 100), Reuse);
        assert_eq!(judged("max-stale=10", "", 110, 100), Reuse);
        assert_eq!(judged("max-stale=10", "", 111, 100), AsItIs);
        assert_eq!(judged("max-stale=x", "", 101, 100), AsItIs);
        for strict in [
            "must-revalidate",
            "proxy-revalidate",
            "s-maxage=9",
            "no-cache",
        ] {
            assert_eq!(judged("max-stale", strict, 101, 100), AsItIs, "{strict}");
        }
    }

    #[test]
    fn a_reload_passes_over_what_does_not_change() {
        assert_eq!(judged("max-age=0", "immutable", 1, 100), Judgement::AsItIs);
        assert_eq!(
            judged("max-age=0", "immutable", 101, 100),
            Judgement::Validate
        );
        assert_eq!(judged("no-cache", "immutable", 1, 100), Judgement::Validate);
    }
}
