//! 6.4 Stale: an old answer while a new one is fetched, or instead of an error; never where that is forbidden.

use std::{
    net::SocketAddr,
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use env_logger::Env;
use http::{HeaderValue, Method, StatusCode, header};
use pingora::{
    Error, ErrorSource,
    ErrorType::{ConnectTimedout, HTTPStatus, ReadTimedout},
    Result,
    http::{RequestHeader, ResponseHeader},
    prelude::HttpPeer,
    proxy::{FailToProxy, ProxyHttp, Session, http_proxy_service},
    server::{Server, configuration::Opt},
};
use pingora_cache::{
    CacheKey, CacheMeta, ForcedFreshness, HitHandler, MemCache, NoCacheReason, RespCacheable,
    cache_control::{CacheControl, Cacheable, InterpretCacheControl},
    lock::CacheLock,
};

/// Good for a lesson and a test. It never forgets and knows no limit, so clients could fill the memory (6.8).
static STORAGE: LazyLock<MemCache> = LazyLock::new(MemCache::new);
/// Without a lock Pingora serves nothing stale while it fetches (proxy/proxy_cache.rs).
static LOCK: LazyLock<CacheLock> = LazyLock::new(|| CacheLock::new(Duration::from_secs(5)));

/// Pingora warns that it has no dictionary to compress stored headers with. It needs none.
const LOG: &str = "info,pingora=warn,pingora_cache::meta=error";

struct Edge {
    upstreams: Vec<SocketAddr>,
}

#[async_trait]
impl ProxyHttp for Edge {
    /// Whether the store has an answer that is not fresh any more.
    type CTX = bool;

    fn new_ctx(&self) -> bool {
        false
    }

    fn request_cache_filter(&self, session: &mut Session, _stale: &mut bool) -> Result<()> {
        if matches!(session.req_header().method, Method::GET | Method::HEAD) {
            session
                .cache
                .enable(&*STORAGE, None, None, Some(&*LOCK), None);
        }
        Ok(())
    }

    fn cache_key_callback(&self, session: &Session, _stale: &mut bool) -> Result<CacheKey> {
        Ok(key(session.req_header()))
    }

    async fn cache_hit_filter(
        &self,
        _session: &mut Session,
        _meta: &CacheMeta,
        _body: &mut HitHandler,
        is_fresh: bool,
        stale: &mut bool,
    ) -> Result<Option<ForcedFreshness>> {
        *stale = !is_fresh;
        Ok(None)
    }

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        _stale: &mut bool,
    ) -> Result<Box<HttpPeer>> {
        let address = self
            .upstreams
            .first()
            .ok_or_else(|| Error::new(HTTPStatus(503)))?;
        let mut peer = HttpPeer::new(*address, false, String::new());
        peer.options.connection_timeout = Some(Duration::from_secs(3));
        peer.options.read_timeout = Some(Duration::from_secs(10));
        Ok(Box::new(peer))
    }

    fn response_cache_filter(
        &self,
        _session: &Session,
        response: &ResponseHeader,
        _stale: &mut bool,
    ) -> Result<RespCacheable> {
        Ok(entry(response).map_or(
            RespCacheable::Uncacheable(NoCacheReason::OriginNotCache),
            RespCacheable::Cacheable,
        ))
    }

    // TODO 6.4: when may something stale be the answer, and what is the answer when it may not?
    fn should_serve_stale(
        &self,
        _session: &mut Session,
        _stale: &mut bool,
        error: Option<&Error>,
    ) -> bool {
        error.is_some()
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        _stale: &mut bool,
    ) -> FailToProxy {
        answer_failure(session, status_of(error)).await
    }
    // END TODO
}

/// For how many seconds after its end an answer may be used: while a new one is fetched, and when that fails.
fn windows(control: &CacheControl) -> (u32, u32) {
    // TODO 6.4: nothing at all, where the upstream forbids what is stale.
    let updating = control.stale_while_revalidate().unwrap_or_default();
    let failing = control.stale_if_error().unwrap_or_default();
    (updating.unwrap_or_default(), failing.unwrap_or_default())
    // END TODO
}

/// What is stored, if the upstream says for how long it is good. 6.1 computes the age to the letter.
fn entry(response: &ResponseHeader) -> Option<CacheMeta> {
    let control = CacheControl::from_resp_headers(response)?;
    if response.status != StatusCode::OK || control.is_cacheable() == Cacheable::No {
        return None;
    }
    let lifetime = control.fresh_duration()?;
    let age = response.headers.get(header::AGE);
    let age = age.and_then(|age| age.to_str().ok()?.parse::<u32>().ok());
    let now = SystemTime::now();
    let epoch = now.checked_sub(Duration::from_secs(age.unwrap_or_default().into()))?;
    let (updating, failing) = windows(&control);
    let mut meta = CacheMeta::new(
        epoch.checked_add(lifetime)?,
        now,
        updating,
        failing,
        response.clone(),
    );
    meta.set_epoch_override(epoch);
    Some(meta)
}

/// The status that says whose failure it was; 0 if nobody is there to read it.
fn status_of(error: &Error) -> u16 {
    match (error.esource(), error.etype()) {
        (_, HTTPStatus(status)) => *status,
        (ErrorSource::Upstream, ConnectTimedout | ReadTimedout) => 504,
        (ErrorSource::Upstream, _) => 502,
        (ErrorSource::Downstream, _) => 0,
        _ => 500,
    }
}

async fn answer_failure(session: &mut Session, status: u16) -> FailToProxy {
    if status != 0
        && let Err(error) = session.respond_error(status).await
    {
        log::info!("the client did not take the answer: {error}");
    }
    FailToProxy {
        error_code: status,
        can_reuse_downstream: false,
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
        "  curl -i 'http://{listen}/headers?Age=90&Cache-Control=max-age%3D60,stale-while-revalidate%3D600'"
    );
    server.run_forever();
}
