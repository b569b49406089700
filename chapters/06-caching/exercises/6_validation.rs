//! 6.6 Validation: what has not changed is not sent again, neither to the client nor by the upstream.

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
    /// The header of the upstream's 304, if that was its answer.
    type CTX = Option<ResponseHeader>;

    fn new_ctx(&self) -> Self::CTX {
        None
    }

    /// For what is stored and stale, Pingora then asks with If-None-Match and If-Modified-Since, and for nothing else
    /// (pingora-cache, filters.rs, request_filter).
    fn request_cache_filter(&self, session: &mut Session, _newer: &mut Self::CTX) -> Result<()> {
        if matches!(session.req_header().method, Method::GET | Method::HEAD) {
            session.cache.enable(&*STORAGE, None, None, None, None);
        }
        Ok(())
    }

    fn cache_key_callback(&self, session: &Session, _newer: &mut Self::CTX) -> Result<CacheKey> {
        Ok(key(session.req_header()))
    }

    /// Whether the client is told 304 instead of the answer, from the store or fresh from the upstream.
    fn cache_not_modified_filter(
        &self,
        session: &Session,
        answer: &ResponseHeader,
        _newer: &mut Self::CTX,
    ) -> Result<bool> {
        Ok(not_modified(session.req_header(), answer))
    }

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        _newer: &mut Self::CTX,
    ) -> Result<Box<HttpPeer>> {
        let address = self
            .upstreams
            .first()
            .ok_or_else(|| Error::new(HTTPStatus(503)))?;
        Ok(Box::new(HttpPeer::new(*address, false, String::new())))
    }

    async fn upstream_response_filter(
        &self,
        _session: &mut Session,
        answer: &mut ResponseHeader,
        newer: &mut Self::CTX,
    ) -> Result<()> {
        *newer = (answer.status == StatusCode::NOT_MODIFIED).then(|| answer.clone());
        Ok(())
    }

    /// After a 304 this gets the stored header, into which Pingora has merged what governs freshness, and ETag.
    fn response_cache_filter(
        &self,
        _session: &Session,
        answer: &ResponseHeader,
        newer: &mut Self::CTX,
    ) -> Result<RespCacheable> {
        let mut stored = answer.clone();
        let newer = newer.take();
        if let Some(newer) = &newer {
            refresh(&mut stored, newer)?;
        }
        let age = age_on_arrival(newer.as_ref().unwrap_or(answer));
        Ok(entry(stored, age).map_or(
            RespCacheable::Uncacheable(NoCacheReason::OriginNotCache),
            RespCacheable::Cacheable,
        ))
    }
}

/// Whether the client has this answer already.
fn not_modified(request: &RequestHeader, answer: &ResponseHeader) -> bool {
    // TODO 6.6: compare as RFC 9110, sections 13.1.2 and 13.1.3, say.
    let same = |condition: &str, validator: &str| {
        let condition = request.headers.get(condition);
        condition.is_some() && condition == answer.headers.get(validator)
    };
    same("if-none-match", "etag") || same("if-modified-since", "last-modified")
    // END TODO
}

/// Brings what is stored up to date with the header of a 304.
fn refresh(stored: &mut ResponseHeader, newer: &ResponseHeader) -> Result<()> {
    // TODO 6.6: all that it says replaces what is stored, but for what RFC 9111, section 3.2, leaves out.
    for (name, value) in &newer.headers {
        if !stored.headers.contains_key(name) {
            stored.append_header(name.clone(), value.clone())?;
        }
    }
    Ok(())
    // END TODO
}

// TODO 6.6: what your answer needs.
// END TODO

/// What is stored, if the upstream says for how long it is good.
fn entry(mut stored: ResponseHeader, age: Duration) -> Option<CacheMeta> {
    let control = CacheControl::from_resp_headers(&stored)?;
    if stored.status != StatusCode::OK || control.is_cacheable() == Cacheable::No {
        return None;
    }
    let now = SystemTime::now();
    let epoch = now.checked_sub(age)?;
    let fresh_until = epoch.checked_add(control.fresh_duration()?)?;
    // A hit gets an Age of its own, and after a validation the old one is wrong.
    stored.remove_header(&header::AGE);
    let mut meta = CacheMeta::new(fresh_until, now, 0, 0, stored);
    meta.set_epoch_override(epoch);
    Some(meta)
}

/// What the upstream says of the age; 6.1 computes it to the letter.
fn age_on_arrival(answer: &ResponseHeader) -> Duration {
    let age = answer.headers.get(header::AGE);
    let age = age.and_then(|age| age.to_str().ok()?.parse::<u32>().ok());
    Duration::from_secs(age.unwrap_or_default().into())
}

/// Host and target, each with its length before it: the key of 6.1.
fn key(request: &RequestHeader) -> CacheKey {
    let host = request.headers.get(header::HOST);
    let host = host.map_or(&[][..], HeaderValue::as_bytes);
    let mut key = host.len().to_be_bytes().to_vec();
    key.extend(host);
    let target = request.uri.path_and_query();
    key.extend(target.map_or("/", |target| target.as_str()).as_bytes());
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

    println!("Listening on http://{listen}. In another terminal, try twice:");
    println!(
        "  curl -i -H 'If-None-Match: W/\"1\"' 'http://{listen}/headers?Cache-Control=max-age%3D60&ETag=%221%22'"
    );
    server.run_forever();
}
