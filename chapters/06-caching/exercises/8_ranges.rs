//! 6.8 Ranges and a bounded store: parts of what is stored whole, and never more of it than there is memory for.

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use env_logger::Env;
use http::{HeaderValue, Method, Response, StatusCode, header};
use pingora::{
    Error,
    ErrorType::HTTPStatus,
    Result,
    apps::http_app::ServeHttp,
    http::{RequestHeader, ResponseHeader},
    prelude::HttpPeer,
    protocols::http::ServerSession,
    proxy::{ProxyHttp, RangeType, Session, http_proxy_service},
    server::{Server, configuration::Opt},
    services::listening::Service,
};
use pingora_cache::{
    CacheKey, CacheMeta, NoCacheReason, RespCacheable,
    cache_control::{CacheControl, Cacheable, InterpretCacheControl},
};

/// Pingora warns that it has no dictionary to compress stored headers with. It needs none.
const LOG: &str = "info,pingora=warn,pingora_cache::meta=error";

struct Edge {
    upstreams: Vec<SocketAddr>,
    store: &'static store::Store,
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = ();

    fn new_ctx(&self) {}

    /// The upstream is then asked for the whole, without Range (pingora-cache, filters.rs, request_filter).
    fn request_cache_filter(&self, session: &mut Session, _ctx: &mut ()) -> Result<()> {
        if matches!(session.req_header().method, Method::GET | Method::HEAD) {
            session.cache.enable(self.store, None, None, None, None);
        }
        Ok(())
    }

    fn cache_key_callback(&self, session: &Session, _ctx: &mut ()) -> Result<CacheKey> {
        Ok(key(session.req_header()))
    }

    /// Which part of the answer the client gets. This changes its header accordingly.
    fn range_header_filter(
        &self,
        session: &mut Session,
        answer: &mut ResponseHeader,
        _ctx: &mut (),
    ) -> RangeType {
        range(session.req_header(), answer)
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
        _session: &Session,
        answer: &ResponseHeader,
        _ctx: &mut (),
    ) -> Result<RespCacheable> {
        let Some(lifetime) = lifetime(answer).filter(|_| is_whole(answer)) else {
            return Ok(RespCacheable::Uncacheable(NoCacheReason::OriginNotCache));
        };
        let now = SystemTime::now();
        let fresh_until = now.checked_add(lifetime).unwrap_or(now);
        let meta = CacheMeta::new(fresh_until, now, 0, 0, answer.clone());
        Ok(RespCacheable::Cacheable(meta))
    }
}

/// The part of the answer that the request asks for.
fn range(request: &RequestHeader, answer: &mut ResponseHeader) -> RangeType {
    // TODO 6.8: Pingora reads most ranges well. Which does it not, and what must hold before it is asked?
    pingora::proxy::range_header_filter(request, answer, None)
    // END TODO
}

/// Whether the answer is all of what it is about.
fn is_whole(answer: &ResponseHeader) -> bool {
    // TODO 6.8: a part must not pass for the whole.
    answer.status.is_success()
    // END TODO
}

// TODO 6.8: the store of the chapter's demo takes a limit.
#[path = "../src/store/mod.rs"]
mod store;

fn new_store(limit: usize) -> store::Store {
    let _ = limit;
    store::Store::new(usize::MAX)
}
// END TODO

/// For how long the upstream says that the answer is good, if it may be stored at all. 6.2 asks more of this.
fn lifetime(answer: &ResponseHeader) -> Option<Duration> {
    let control = CacheControl::from_resp_headers(answer)?;
    let stored = control.is_cacheable() != Cacheable::No;
    stored.then(|| control.fresh_duration()).flatten()
}

/// What is stored, for whoever watches.
struct Status {
    store: &'static store::Store,
    limit: usize,
}

#[async_trait]
impl ServeHttp for Status {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let found = session.req_header().uri.path() == "/status";
        let body = match found {
            true => serde_json::json!({ "bytes": self.store.bytes(), "limit": self.limit }),
            false => serde_json::json!({ "error": "not found" }),
        };
        let body = body.to_string().into_bytes();
        let mut response = Response::new(body);
        if !found {
            *response.status_mut() = StatusCode::NOT_FOUND;
        }
        let length = response.body().len();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        response
    }
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

/// A number of bytes from the environment.
fn bytes(name: &str, default: usize) -> usize {
    let text = std::env::var(name).unwrap_or_else(|_| default.to_string());
    text.parse().unwrap_or_else(|_| {
        eprintln!("{name}: '{text}' is no number of bytes. Set {name}={default}");
        std::process::exit(2)
    })
}

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or(LOG)).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let admin = upstreams::listen("ADMIN", "127.0.0.1:6190");
    let limit = bytes("CACHE_BYTES", 64 << 20);
    let upstreams = upstreams::from_env();

    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(|error| {
        eprintln!("cannot start: {error}");
        std::process::exit(2)
    });
    server.bootstrap();

    // The cache needs it for as long as the process runs, which is what leaking means.
    let store: &'static store::Store = Box::leak(Box::new(new_store(limit)));
    let mut status = Service::new("status".to_owned(), Status { store, limit });
    status.add_tcp(&admin);
    server.add_service(status);

    let mut proxy = http_proxy_service(&server.configuration, Edge { upstreams, store });
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -i -r 0-9 'http://{listen}/headers?Cache-Control=max-age%3D60'");
    println!("  curl http://{admin}/status");
    server.run_forever();
}
