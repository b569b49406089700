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
    // Set-Cookie is one visitor's, although RFC 9111, section 7.3, leaves it to the upstream to say so.
    if response.headers.contains_key(header::SET_COOKIE) || varies_on_everything(&response.headers)
    {
        return false;
    }
    if says(&request.headers, "no-store") || says(&response.headers, "no-store") {
        return false;
    }
    // Not control.private(): of `private` and `private="x"` it sees only the last (cache_control.rs, from_headers).
    if says(&response.headers, "private") {
        return false;
    }
    // RFC 9111, section 3.5.
    let authorized = request.headers.contains_key(header::AUTHORIZATION);
    let permitted = ["public", "s-maxage", "must-revalidate"];
    !authorized || permitted.iter().any(|name| says(&response.headers, name))
    // END TODO
}

// TODO 6.2: what your answer needs.
/// Whether Cache-Control has this directive, with an argument or without: any case, any line, nothing in quotes.
fn says(headers: &HeaderMap, name: &str) -> bool {
    let control = CacheControl::from_headers_named("cache-control", headers);
    control.is_some_and(|control| control.has_key(name))
}

/// `Vary: *`: no request can be known to be like this one (RFC 9111, section 4.1).
fn varies_on_everything(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::VARY).iter();
    let mut names = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b','));
    names.any(|name| name.trim_ascii() == b"*")
}

/// Takes what an answer says to one visitor out of what is stored: the headers that no-cache names.
fn forget_what_is_private(stored: &mut ResponseHeader) {
    if let Some(control) = CacheControl::from_resp_headers(stored) {
        control.strip_private_headers(stored);
    }
}
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
