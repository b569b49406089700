//! How old a response is and how long it may be reused (RFC 9111, section 4.2; RFC 5861).

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header};

use crate::directives::{Directives, delta_seconds};

/// Where the origin says nothing: a tenth of the time that it did not change (RFC 9111, section 4.2.2).
const HEURISTIC_FRACTION: u64 = 10;

/// When the request for a response was sent and when its header arrived.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    pub(crate) asked: SystemTime,
    pub(crate) received: SystemTime,
}

/// How old a response was when it arrived: the age that it brought and the time on the way, or by its Date, whichever
/// is more (RFC 9111, section 4.2.3).
pub(crate) fn initial_age(headers: &HeaderMap, times: Times) -> Duration {
    let since = |earlier| times.received.duration_since(earlier).unwrap_or_default();
    let apparent = since(date(headers).unwrap_or(times.received));
    let corrected = Duration::from_secs(age(headers).into()) + since(times.asked);
    // HTTP counts whole seconds. A clock that is a moment ahead must not make every response a second old.
    Duration::from_secs(apparent.as_secs().max(corrected.as_secs()))
}

/// The Age field; the first one of several, and 0 if it is no number (RFC 9111, section 5.1).
fn age(headers: &HeaderMap) -> u32 {
    let first = headers
        .get(header::AGE)
        .and_then(|value| value.to_str().ok());
    let first = first.and_then(|value| value.split(',').next());
    first
        .and_then(|value| delta_seconds(value.trim()))
        .unwrap_or(0)
}

/// How long a response is fresh from when it was made, and whether the origin said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lifetime {
    Explicit(Duration),
    Heuristic(Duration),
    Unknown,
}

impl Lifetime {
    pub(crate) fn duration(self) -> Duration {
        match self {
            Self::Explicit(duration) | Self::Heuristic(duration) => duration,
            Self::Unknown => Duration::ZERO,
        }
    }
}

/// RFC 9111, section 4.2.1: s-maxage, else max-age, else Expires, else a guess, which `longest` bounds.
pub(crate) fn lifetime(
    status: StatusCode,
    headers: &HeaderMap,
    directives: &Directives,
    received: SystemTime,
    longest: Duration,
) -> Lifetime {
    let seconds = |seconds: u32| Lifetime::Explicit(Duration::from_secs(seconds.into()));
    let said = directives
        .least("s-maxage")
        .or_else(|| directives.least("max-age"));
    if let Some(said) = said {
        return seconds(said);
    }
    let made = date(headers).unwrap_or(received);
    if headers.contains_key(header::EXPIRES) && !directives.targeted {
        // No date, or two: in the past (RFC 9111, section 5.3).
        let expires = single_date(headers, header::EXPIRES);
        let fresh = expires.and_then(|expires| expires.duration_since(made).ok());
        return Lifetime::Explicit(fresh.unwrap_or_default());
    }
    let allowed = is_heuristically_cacheable(status) || directives.has("public");
    let changed = single_date(headers, header::LAST_MODIFIED).filter(|_| allowed);
    match changed.map(|changed| made.duration_since(changed)) {
        Some(unchanged) => {
            // In whole seconds, as all lifetimes: a tenth of a second more would show as another second.
            let guess = unchanged.unwrap_or_default().as_secs() / HEURISTIC_FRACTION;
            Lifetime::Heuristic(Duration::from_secs(guess).min(longest))
        }
        None => Lifetime::Unknown,
    }
}

/// RFC 9110, section 15.1; 206 is left out, since parts are not stored here.
pub(crate) fn is_heuristically_cacheable(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501
    )
}

/// For how long after its freshness a response may still be used, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Windows {
    /// While it is validated in the background (RFC 5861, section 3).
    pub(crate) revalidating: u32,
    /// When the upstream answers with an error (RFC 5861, section 4).
    pub(crate) on_error: u32,
    /// When no upstream can be reached at all (RFC 9111, section 4.2.4).
    pub(crate) disconnected: u32,
}

/// None at all for what must be validated first: no-cache, must-revalidate, proxy-revalidate and s-maxage, which
/// implies it (RFC 9111, sections 4.2.4 and 5.2.2.10).
pub(crate) fn windows(directives: &Directives, disconnected: Duration) -> Windows {
    if forbids_stale(directives) {
        return Windows::default();
    }
    let on_error = directives.least("stale-if-error").unwrap_or(0);
    let disconnected = u32::try_from(disconnected.as_secs()).unwrap_or(u32::MAX);
    Windows {
        revalidating: directives.least("stale-while-revalidate").unwrap_or(0),
        on_error,
        disconnected: disconnected.max(on_error),
    }
}

pub(crate) fn forbids_stale(directives: &Directives) -> bool {
    let strict = ["must-revalidate", "proxy-revalidate", "s-maxage"];
    strict.into_iter().any(|name| directives.has(name)) || directives.has_unqualified("no-cache")
}

/// When the response was made; `None` if it does not say, or says no date.
pub(crate) fn date(headers: &HeaderMap) -> Option<SystemTime> {
    single_date(headers, header::DATE)
}

/// The date in a field of which there is one.
pub(crate) fn single_date(headers: &HeaderMap, name: header::HeaderName) -> Option<SystemTime> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => httpdate::parse_http_date(value.to_str().ok()?.trim()).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::headers;

    const NOW: u64 = 1_700_000_000;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn day(seconds: u64) -> String {
        httpdate::fmt_http_date(at(seconds))
    }

    fn age_of(lines: &[(&'static str, String)], delay: u64) -> u64 {
        let times = Times {
            asked: at(NOW - delay),
            received: at(NOW),
        };
        initial_age(&headers(lines), times).as_secs()
    }

    #[test]
    fn age_is_the_greater_of_two() {
        assert_eq!(age_of(&[], 0), 0);
        assert_eq!(age_of(&[("age", "30".into())], 2), 32);
        assert_eq!(
            age_of(&[("age", "30".into()), ("date", day(NOW - 100))], 0),
            100
        );
        assert_eq!(age_of(&[("date", day(NOW + 100))], 0), 0);
        for (value, age) in [("7, 0", 7), ("-7", 0), ("7.5", 0), ("seven", 0)] {
            assert_eq!(age_of(&[("age", value.into())], 0), age, "{value}");
        }
    }

    fn lifetime_of(status: u16, lines: &[(&'static str, String)]) -> Lifetime {
        let headers = headers(lines);
        let directives = Directives::of_response(&headers);
        let status = StatusCode::from_u16(status).unwrap();
        lifetime(
            status,
            &headers,
            &directives,
            at(NOW),
            Duration::from_secs(1000),
        )
    }

    #[test]
    fn what_is_said_first_wins() {
        let explicit = |seconds| Lifetime::Explicit(Duration::from_secs(seconds));
        let expires = ("expires", day(NOW + 30));
        let both = ("cache-control", "max-age=20, s-maxage=10".into());
        assert_eq!(lifetime_of(200, &[both, expires.clone()]), explicit(10));
        assert_eq!(
            lifetime_of(200, std::slice::from_ref(&expires)),
            explicit(30)
        );
        assert_eq!(
            lifetime_of(200, &[expires.clone(), ("date", day(NOW - 5))]),
            explicit(35)
        );
        for broken in ["0", "tomorrow", ""] {
            assert_eq!(lifetime_of(200, &[("expires", broken.into())]), explicit(0));
        }
        let targeted = ("cdn-cache-control", "public".into());
        assert_eq!(lifetime_of(200, &[expires, targeted]), Lifetime::Unknown);
    }

    #[test]
    fn a_guess_is_bounded_and_not_for_every_status() {
        let guess = |seconds| Lifetime::Heuristic(Duration::from_secs(seconds));
        let changed = |ago| [("last-modified", day(NOW - ago))];
        assert_eq!(lifetime_of(200, &changed(100)), guess(10));
        assert_eq!(lifetime_of(200, &changed(1_000_000)), guess(1000));
        assert_eq!(lifetime_of(302, &changed(100)), Lifetime::Unknown);
        let public = ("cache-control", "public".into());
        assert_eq!(
            lifetime_of(302, &[("last-modified", day(NOW - 100)), public]),
            guess(10)
        );
        assert_eq!(lifetime_of(200, &[]), Lifetime::Unknown);
    }
}
