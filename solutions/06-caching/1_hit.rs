//! 6.1 Hit, miss, expiry: a key that keeps requests apart, and an age that counts from the origin.

use std::{
    net::SocketAddr,
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use env_logger::Env;
use http::{HeaderValue, Method, StatusCode, header};
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
    CacheKey, CacheMeta, MemCache, NoCacheReason, RespCacheable,
    cache_control::{CacheControl, Cacheable, InterpretCacheControl},
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
    /// When the upstream was asked.
    type CTX = SystemTime;

    fn new_ctx(&self) -> SystemTime {
        SystemTime::now()
    }

    fn request_cache_filter(&self, session: &mut Session, _asked: &mut SystemTime) -> Result<()> {
        if matches!(session.req_header().method, Method::GET | Method::HEAD) {
            session.cache.enable(&*STORAGE, None, None, None, None);
        }
        Ok(())
    }

    fn cache_key_callback(&self, session: &Session, _asked: &mut SystemTime) -> Result<CacheKey> {
        Ok(key(session.req_header()))
    }

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        _asked: &mut SystemTime,
    ) -> Result<Box<HttpPeer>> {
        let address = self
            .upstreams
            .first()
            .ok_or_else(|| Error::new(HTTPStatus(503)))?;
        Ok(Box::new(HttpPeer::new(*address, false, String::new())))
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        _upstream_request: &mut RequestHeader,
        asked: &mut SystemTime,
    ) -> Result<()> {
        *asked = SystemTime::now();
        Ok(())
    }

    fn response_cache_filter(
        &self,
        _session: &Session,
        response: &ResponseHeader,
        asked: &mut SystemTime,
    ) -> Result<RespCacheable> {
        let Some(lifetime) = lifetime(response) else {
            return Ok(RespCacheable::Uncacheable(NoCacheReason::OriginNotCache));
        };
        let now = SystemTime::now();
        let age = age_on_arrival(response, *asked, now);
        Ok(RespCacheable::Cacheable(entry(
            response, lifetime, age, now,
        )))
    }
}

/// What makes two requests the same.
fn key(request: &RequestHeader) -> CacheKey {
    // Pingora has refused a Host that is no host, or two of them (core/protocols/http/authority.rs).
    let host = request.headers.get(header::HOST);
    let host = host.map_or(&[][..], HeaderValue::as_bytes);
    // TODO 6.1: two requests that may have different answers have different keys, whatever stands in them.
    // With its length before it, no part can run into the next one (pingora_cache::CacheKey::new asks for that).
    let mut key = host.len().to_be_bytes().to_vec();
    key.extend(host);
    // Path and query as one: `/a?` and `/a` are two targets, which `query().unwrap_or_default()` would not tell.
    let target = request.uri.path_and_query();
    key.extend(target.map_or("/", |target| target.as_str()).as_bytes());
    CacheKey::new(key, "")
    // END TODO
}

/// How old the answer was when it arrived (RFC 9111, section 4.2.3).
fn age_on_arrival(response: &ResponseHeader, asked: SystemTime, now: SystemTime) -> Duration {
    // TODO 6.1: count what it had behind it: what Age says, what Date says, and how long the answer took.
    let date = value(response, header::DATE).and_then(|date| httpdate::parse_http_date(date).ok());
    // A date in the future is a clock that is wrong, not an answer of negative age.
    let apparent = date.and_then(|date| now.duration_since(date).ok());
    let told = value(response, header::AGE).and_then(seconds);
    let delay = now.duration_since(asked).unwrap_or_default();
    let corrected = told.unwrap_or_default().saturating_add(delay);
    corrected.max(apparent.unwrap_or_default())
    // END TODO
}

// TODO 6.1: what your answer needs.
/// The value of a header, as text. Of several lines the first counts (RFC 9111, section 5.1).
fn value(response: &ResponseHeader, name: header::HeaderName) -> Option<&str> {
    response.headers.get(name)?.to_str().ok()
}

/// Seconds; a number beyond all bounds is a long time and not an error (RFC 9111, section 1.2.2).
fn seconds(text: &str) -> Option<Duration> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| Duration::from_secs(text.parse::<u32>().unwrap_or(u32::MAX).into()))
}
// END TODO

/// For how long the upstream says that the answer is good, if it may be stored at all. 6.2 asks more of this.
fn lifetime(response: &ResponseHeader) -> Option<Duration> {
    let control = CacheControl::from_resp_headers(response)?;
    let stored = response.status == StatusCode::OK && control.is_cacheable() != Cacheable::No;
    stored.then(|| control.fresh_duration()).flatten()
}

/// What is stored: the header, and until when it is fresh. Pingora derives the Age of a hit from the epoch.
fn entry(
    response: &ResponseHeader,
    lifetime: Duration,
    age: Duration,
    now: SystemTime,
) -> CacheMeta {
    let epoch = now.checked_sub(age);
    // What is older than the epoch of Unix cannot be written into the store.
    let epoch = epoch.map_or(SystemTime::UNIX_EPOCH, |epoch| {
        epoch.max(SystemTime::UNIX_EPOCH)
    });
    let fresh_until = epoch.checked_add(lifetime).unwrap_or(epoch);
    let mut meta = CacheMeta::new(fresh_until, now, 0, 0, response.clone());
    meta.set_epoch_override(epoch);
    meta
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

    println!("Listening on http://{listen}. In another terminal, try twice:");
    println!("  curl -i 'http://{listen}/headers?Cache-Control=max-age%3D60&Age=40'");
    server.run_forever();
}
