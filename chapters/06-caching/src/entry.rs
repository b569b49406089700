//! A response as pingora-cache stores it: its times, worked out once, and its header.

use http::{HeaderName, HeaderValue};
use pingora::http::ResponseHeader;
use pingora_cache::CacheMeta;

use crate::{
    directives::Directives,
    freshness::{self, Lifetime, Times, Windows},
    policy,
    settings::Settings,
};

/// What is to be stored, and the fields that only this client gets.
pub(crate) struct Entry {
    pub(crate) meta: CacheMeta,
    pub(crate) withheld: Vec<(HeaderName, HeaderValue)>,
}

/// `header` is the whole header as it was received, or as a 304 updated it; `fresh` are the fields that came now.
pub(crate) fn new(
    header: ResponseHeader,
    fresh: &http::HeaderMap,
    directives: &Directives,
    lifetime: Lifetime,
    times: Times,
    settings: &Settings,
) -> Entry {
    let age = freshness::initial_age(fresh, times);
    // Fresh until its age is its lifetime. In Pingora's words: since when it ages, and until when it is fresh.
    let epoch = times.received.checked_sub(age).unwrap_or(times.received);
    let mut lifetime = lifetime.duration();
    if directives.has_unqualified("no-cache") {
        lifetime = lifetime.min(age);
    }
    // A lifetime of 2^31 seconds fits; what does not is stale.
    let fresh_until = epoch.checked_add(lifetime).unwrap_or(epoch);
    let Windows {
        revalidating,
        disconnected,
        ..
    } = freshness::windows(directives, settings.stale_if_disconnected);

    let split = policy::split(header, directives);
    let mut meta = CacheMeta::new(
        fresh_until,
        times.received,
        revalidating,
        disconnected,
        split.stored,
    );
    meta.set_epoch_override(epoch);
    Entry {
        meta,
        withheld: split.withheld,
    }
}
