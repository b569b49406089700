//! 6.7 Invalidation: what a request has changed is not served any more; and an upstream that speaks to this cache alone.

use std::{
    net::SocketAddr,
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use env_logger::Env;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use pingora::{
    Error,
    ErrorType::HTTPStatus,
    Result,
    http::{RequestHeader, ResponseHeader},
    prelude::HttpPeer,
    proxy::{ProxyHttp, Session, http_proxy_service},
    server::{Server, configuration::Opt},
};
use pingora_cache::{
    CacheKey, CacheMeta, MemCache, NoCacheReason, PurgeTarget, PurgeType, RespCacheable, Storage,
    cache_control::{CacheControl, Cacheable, InterpretCacheControl},
    filters::calculate_expires_header_time,
    trace::Span,
};

/// Good for a lesson and a test. It never forgets and knows no limit, so clients could fill the memory (6.8).
static STORAGE: LazyLock<MemCache> = LazyLock::new(MemCache::new);

/// Pingora warns that it has no dictionary to compress stored headers with. It needs none.
const LOG: &str = "info,pingora=warn,pingora_cache::meta=error";

struct Edge {
    upstreams: Vec<SocketAddr>,
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = ();

    fn new_ctx(&self) {}

    fn request_cache_filter(&self, session: &mut Session, _ctx: &mut ()) -> Result<()> {
        if matches!(session.req_header().method, Method::GET | Method::HEAD) {
            session.cache.enable(&*STORAGE, None, None, None, None);
        }
        Ok(())
    }

    fn cache_key_callback(&self, session: &Session, _ctx: &mut ()) -> Result<CacheKey> {
        let request = session.req_header();
        Ok(key(host(request), target(request)))
    }

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        let address = self
            .upstreams
            .first()
            .ok_or_else(|| Error::new(HTTPStatus(503)))?;
        Ok(Box::new(HttpPeer::new(*address, false, String::new())))
    }

    /// Before the client has the answer: what it asks for next is new.
    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        answer: &mut ResponseHeader,
        _ctx: &mut (),
    ) -> Result<()> {
        let request = session.req_header();
        if changes_something(&request.method, answer.status) {
            for key in out_of_date(request, &answer.headers) {
                forget(&key).await?;
            }
        }
        Ok(())
    }

    fn response_cache_filter(
        &self,
        _session: &Session,
        answer: &ResponseHeader,
        _ctx: &mut (),
    ) -> Result<RespCacheable> {
        let rules = targeted(&answer.headers).unwrap_or_else(|| for_all_caches(answer));
        let lifetime = rules.lifetime.filter(|_| rules.store);
        let Some(lifetime) = lifetime.filter(|_| answer.status == StatusCode::OK) else {
            return Ok(RespCacheable::Uncacheable(NoCacheReason::OriginNotCache));
        };
        let now = SystemTime::now();
        let fresh_until = now.checked_add(lifetime).unwrap_or(now);
        let meta = CacheMeta::new(fresh_until, now, 0, 0, answer.clone());
        Ok(RespCacheable::Cacheable(meta))
    }
}

/// Whether a request with this method, answered with this status, may have changed what is stored.
fn changes_something(method: &Method, status: StatusCode) -> bool {
    // TODO 6.7: every method that is not known to be safe, unless nothing came of it.
    // RFC 9111, section 4.4. Safe methods are those of RFC 9110, section 9.2.1; what nobody knows is not one of them.
    !method.is_safe() && (status.is_success() || status.is_redirection())
    // END TODO
}

/// The keys of what such a request makes out of date.
fn out_of_date(request: &RequestHeader, answer: &HeaderMap) -> Vec<CacheKey> {
    // TODO 6.7: what was asked for, and what Location and Content-Location name on the same origin.
    let mut keys = vec![key(host(request), target(request))];
    let asked = String::from_utf8_lossy(host(request));
    let Ok(asked) = Url::parse(&format!("http://{asked}{}", target(request))) else {
        return keys;
    };
    for name in [header::LOCATION, header::CONTENT_LOCATION] {
        let reference = answer.get(name).and_then(|value| value.to_str().ok());
        let named = reference.and_then(|reference| asked.join(reference).ok());
        // Another origin's store is not this one's to empty (RFC 9111, section 4.4).
        if let Some(named) = named.filter(|named| named.origin() == asked.origin()) {
            let target = &named[Position::BeforePath..Position::AfterQuery];
            keys.push(key(host(request), target));
        }
    }
    keys
    // END TODO
}

/// What an answer says of its storing.
struct Rules {
    store: bool,
    /// For how long it is good; `None` if it does not say.
    lifetime: Option<Duration>,
}

/// What CDN-Cache-Control says to caches like this one, if there is such a header and it can be read.
fn targeted(headers: &HeaderMap) -> Option<Rules> {
    // TODO 6.7: read it as RFC 9213, section 2, says: as a structured field, or not at all.
    let lines = headers.get_all("cdn-cache-control").iter();
    let lines: Vec<&[u8]> = lines.map(HeaderValue::as_bytes).collect();
    let directives = Parser::parse_dictionary(&lines.join(&b", "[..])).ok()?;
    if directives.is_empty() {
        return None;
    }
    let has = |name: &str| directives.get(name).is_some_and(is_true);
    let seconds = |name: &str| directives.get(name).and_then(seconds);
    let lifetime = match has("no-cache") {
        true => Some(Duration::ZERO),
        false => seconds("s-maxage").or_else(|| seconds("max-age")),
    };
    Some(Rules {
        store: !has("no-store") && !has("private"),
        lifetime,
    })
    // END TODO
}

// TODO 6.7: what your answer needs.
use sfv::{BareItem, ListEntry, Parser};
use url::{Position, Url};

/// A directive without a value; `private=("x-cart")` too, to be on the safe side.
fn is_true(directive: &ListEntry) -> bool {
    match directive {
        ListEntry::Item(item) => item.bare_item != BareItem::Boolean(false),
        ListEntry::InnerList(_) => true,
    }
}

/// Only what is a whole number: a text or a fraction is not coerced into one (RFC 9213, section 2.1).
fn seconds(directive: &ListEntry) -> Option<Duration> {
    match directive {
        ListEntry::Item(item) => {
            let seconds = u64::try_from(item.bare_item.as_int()?).ok()?;
            Some(Duration::from_secs(seconds))
        }
        ListEntry::InnerList(_) => None,
    }
}
// END TODO

/// What Cache-Control and Expires say, to all caches. 6.2 asks more of the first.
fn for_all_caches(answer: &ResponseHeader) -> Rules {
    let control = CacheControl::from_resp_headers(answer);
    let lifetime = control.as_ref().and_then(CacheControl::fresh_duration);
    let expires = || {
        let time = calculate_expires_header_time(answer)?;
        Some(time.duration_since(SystemTime::now()).unwrap_or_default())
    };
    Rules {
        store: control.is_none_or(|control| control.is_cacheable() != Cacheable::No),
        lifetime: lifetime.or_else(expires),
    }
}

/// Takes an answer out of the store, if it is there.
async fn forget(key: &CacheKey) -> Result<()> {
    let key = key.to_compact();
    let target = PurgeTarget::Active(&key);
    let span = Span::inactive().handle();
    STORAGE
        .purge(target, PurgeType::Invalidation, &span)
        .await?;
    Ok(())
}

fn host(request: &RequestHeader) -> &[u8] {
    let host = request.headers.get(header::HOST);
    host.map_or(&[][..], HeaderValue::as_bytes)
}

/// Path and query.
fn target(request: &RequestHeader) -> &str {
    let target = request.uri.path_and_query();
    target.map_or("/", |target| target.as_str())
}

/// Host and target, the first with its length before it: the key of 6.1.
fn key(host: &[u8], target: &str) -> CacheKey {
    let mut key = host.len().to_be_bytes().to_vec();
    key.extend(host);
    key.extend(target.as_bytes());
    CacheKey::new(key, "")
}

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or(LOG)).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let upstreams = upstreams::from_env();

    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(|error| {
        eprintln!("cannot start: {error}");
        std::process::exit(2)
    });
    server.bootstrap();

    let mut proxy = http_proxy_service(&server.configuration, Edge { upstreams });
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!(
        "  curl -i 'http://{listen}/headers?Cache-Control=no-store&CDN-Cache-Control=max-age%3D60'"
    );
    println!(
        "  curl -i -X PATCH 'http://{listen}/headers?Cache-Control=no-store&CDN-Cache-Control=max-age%3D60'"
    );
    server.run_forever();
}
