//! 6.2 Never store what is not yours: a shared cache keeps what is meant for everybody, and nothing else.

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
    CacheKey, CacheMeta, MemCache, NoCacheReason, RespCacheable,
    cache_control::{CacheControl, InterpretCacheControl},
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
        Ok(key(session.req_header()))
    }

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        let address = self
            .upstreams
            .first()
            .ok_or_else(|| Error::new(HTTPStatus(503)))?;
        Ok(Box::new(HttpPeer::new(*address, false, String::new())))
    }

    fn response_cache_filter(
        &self,
        session: &Session,
        response: &ResponseHeader,
        _ctx: &mut (),
    ) -> Result<RespCacheable> {
        let no = RespCacheable::Uncacheable(NoCacheReason::OriginNotCache);
        let Some(lifetime) = lifetime(response) else {
            return Ok(no);
        };
        if !may_store(session.req_header(), response) {
            return Ok(no);
        }
        let now = SystemTime::now();
        let fresh_until = now.checked_add(lifetime).unwrap_or(now);
        let mut stored = response.clone();
        forget_what_is_private(&mut stored);
        Ok(RespCacheable::Cacheable(CacheMeta::new(
            fresh_until,
            now,
            0,
            0,
            stored,
        )))
    }
}

/// Whether this answer to this request may be kept and shown to anybody else.
fn may_store(request: &RequestHeader, response: &ResponseHeader) -> bool {
    // TODO 6.2: store only what is for everybody, whatever the headers look like that say so.
    let control = first(&response.headers, header::CACHE_CONTROL);
    let private = control.contains("no-store") || control.contains("private");
    let authorized = request.headers.contains_key(header::AUTHORIZATION);
    let vary = first(&response.headers, header::VARY);
    !private && (!authorized || control.contains("public")) && vary != "*"
    // END TODO
}

// TODO 6.2: what your answer needs.
/// The first line of a header.
fn first(headers: &HeaderMap, name: header::HeaderName) -> &str {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default()
}

/// Takes what an answer says to one visitor out of what is stored.
fn forget_what_is_private(_stored: &mut ResponseHeader) {}
// END TODO

/// For how long the upstream says that the answer is good.
fn lifetime(response: &ResponseHeader) -> Option<Duration> {
    let control = CacheControl::from_resp_headers(response)?;
    let lifetime = control.fresh_duration().filter(|it| !it.is_zero());
    lifetime.filter(|_| response.status == StatusCode::OK)
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
        "  curl -i 'http://{listen}/headers?Cache-Control=max-age%3D60&Set-Cookie=visitor%3D7'"
    );
    server.run_forever();
}
