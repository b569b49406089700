//! 6.3 Stampede: many clients at once, one request upstream, and an honest end for all of them.

use std::{
    any::Any,
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, LazyLock, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
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
    CacheKey, CacheMeta, HitHandler, MemCache, MissHandler, NoCacheReason, PurgeOutcome,
    PurgeTarget, PurgeType, RespCacheable, Storage,
    cache_control::{CacheControl, Cacheable, InterpretCacheControl},
    key::CacheHashKey,
    lock::CacheKeyLockImpl,
    storage::{HandleHit, HandleMiss, MissFinishType},
    trace::SpanHandle,
};

static STORAGE: LazyLock<Watched> = LazyLock::new(Watched::new);

/// Pingora warns that it has no dictionary to compress stored headers with. It needs none.
const LOG: &str = "info,pingora=warn,pingora_cache::meta=error";

struct Edge {
    upstreams: Vec<SocketAddr>,
    lock: Option<&'static CacheKeyLockImpl>,
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = ();

    fn new_ctx(&self) {}

    fn request_cache_filter(&self, session: &mut Session, _ctx: &mut ()) -> Result<()> {
        let request = session.req_header();
        if matches!(request.method, Method::GET | Method::HEAD) {
            log::info!("asked for {}", request.uri.path());
            session.cache.enable(&*STORAGE, None, None, self.lock, None);
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
        _session: &Session,
        response: &ResponseHeader,
        _ctx: &mut (),
    ) -> Result<RespCacheable> {
        let Some(lifetime) = lifetime(response) else {
            return Ok(RespCacheable::Uncacheable(NoCacheReason::OriginNotCache));
        };
        let now = SystemTime::now();
        let fresh_until = now.checked_add(lifetime).unwrap_or(now);
        let meta = CacheMeta::new(fresh_until, now, 0, 0, response.clone());
        Ok(RespCacheable::Cacheable(meta))
    }
}

/// What makes all but the first of equal requests wait: for the header of the answer, but no longer than this.
fn lock(longest_wait: Duration) -> Option<&'static CacheKeyLockImpl> {
    // TODO 6.3: one request asks the upstream, and the others wait until they can read along.
    // The service needs it for as long as the process runs, which is what leaking means.
    Some(Box::leak(CacheLock::new_boxed(longest_wait)))
    // END TODO
}

// TODO 6.3: what your answer needs.
use pingora::ErrorType::InternalError;
use pingora_cache::lock::CacheLock;
// END TODO

/// Reads what another request is still writing.
struct Reader {
    inner: HitHandler,
    /// Whether the upstream has sent all of it.
    whole: Arc<AtomicBool>,
}

impl Reader {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        // TODO 6.3: tell the end of an answer from the end of a fill that broke off.
        let piece = self.inner.read_body().await?;
        // MemCache ends the body in either case: "FIXME: sender could drop because of an error" (memory.rs).
        if piece.is_none() && !self.whole.load(Ordering::Acquire) {
            return Error::e_explain(InternalError, "the upstream broke off");
        }
        Ok(piece)
        // END TODO
    }
}

/// MemCache, which also knows whether what is being written was written to its end. Like MemCache it has no limit: it
/// is for a lesson and for tests.
struct Watched {
    inner: MemCache,
    fills: Fills,
}

/// For each key that is being written, whether the upstream has sent all of it.
type Fills = Arc<Mutex<HashMap<String, Arc<AtomicBool>>>>;

impl Watched {
    fn new() -> Self {
        Self {
            inner: MemCache::new(),
            fills: Fills::default(),
        }
    }

    fn begin(&self, key: String) -> Fill {
        let whole = Arc::new(AtomicBool::new(false));
        let mut fills = self.fills.lock().unwrap_or_else(PoisonError::into_inner);
        fills.insert(key.clone(), Arc::clone(&whole));
        let fills = Arc::clone(&self.fills);
        Fill { key, whole, fills }
    }

    fn fill(&self, key: &CacheKey) -> Option<Arc<AtomicBool>> {
        let fills = self.fills.lock().unwrap_or_else(PoisonError::into_inner);
        fills.get(&key.combined()).cloned()
    }
}

#[async_trait]
impl Storage for Watched {
    async fn lookup(
        &'static self,
        key: &CacheKey,
        trace: &SpanHandle,
    ) -> Result<Option<(CacheMeta, HitHandler)>> {
        // Before MemCache is asked: a fill that ends in between leaves a body there that is whole.
        let fill = self.fill(key);
        let found = self.inner.lookup(key, trace).await?;
        Ok(found.map(|(meta, inner)| match fill {
            // In MemCache, only what is complete can be read from any place (memory.rs, can_seek).
            Some(whole) if !inner.can_seek() => {
                (meta, Box::new(Reader { inner, whole }) as HitHandler)
            }
            _ => (meta, inner),
        }))
    }

    async fn lookup_streaming_write(
        &'static self,
        key: &CacheKey,
        tag: Option<&[u8]>,
        trace: &SpanHandle,
    ) -> Result<Option<(CacheMeta, HitHandler)>> {
        self.inner.lookup_streaming_write(key, tag, trace).await
    }

    async fn get_miss_handler(
        &'static self,
        key: &CacheKey,
        meta: &CacheMeta,
        trace: &SpanHandle,
    ) -> Result<MissHandler> {
        let fill = self.begin(key.combined());
        let inner = self.inner.get_miss_handler(key, meta, trace).await?;
        Ok(Box::new(Writer { inner, fill }))
    }

    async fn purge(
        &'static self,
        target: PurgeTarget<'_>,
        purge_type: PurgeType,
        trace: &SpanHandle,
    ) -> Result<PurgeOutcome> {
        self.inner.purge(target, purge_type, trace).await
    }

    async fn update_meta(
        &'static self,
        key: &CacheKey,
        meta: &CacheMeta,
        trace: &SpanHandle,
    ) -> Result<bool> {
        self.inner.update_meta(key, meta, trace).await
    }

    /// With this, Pingora lets those who wait go as soon as the header is there (pingora-cache, set_miss_handler).
    fn support_streaming_partial_write(&self) -> bool {
        true
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync + 'static) {
        self
    }
}

struct Writer {
    inner: MissHandler,
    fill: Fill,
}

#[async_trait]
impl HandleMiss for Writer {
    async fn write_body(&mut self, data: Bytes, end: bool) -> Result<()> {
        // Before MemCache tells the readers that this was the end.
        self.fill.whole.fetch_or(end, Ordering::Release);
        self.inner.write_body(data, end).await
    }

    async fn finish(self: Box<Self>) -> Result<MissFinishType> {
        self.fill.whole.store(true, Ordering::Release);
        self.inner.finish().await
    }

    fn streaming_write_tag(&self) -> Option<&[u8]> {
        self.inner.streaming_write_tag()
    }
}

/// Takes itself out of the list when the writer is gone, for whatever reason.
struct Fill {
    key: String,
    whole: Arc<AtomicBool>,
    fills: Fills,
}

impl Drop for Fill {
    fn drop(&mut self) {
        let mut fills = self.fills.lock().unwrap_or_else(PoisonError::into_inner);
        if fills
            .get(&self.key)
            .is_some_and(|it| Arc::ptr_eq(it, &self.whole))
        {
            fills.remove(&self.key);
        }
    }
}

#[async_trait]
impl HandleHit for Reader {
    async fn read_body(&mut self) -> Result<Option<Bytes>> {
        self.next().await
    }

    async fn finish(
        self: Box<Self>,
        storage: &'static (dyn Storage + Sync),
        key: &CacheKey,
        trace: &SpanHandle,
    ) -> Result<()> {
        self.inner.finish(storage, key, trace).await
    }

    fn should_count_access(&self) -> bool {
        false
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }

    fn as_any_mut(&mut self) -> &mut (dyn Any + Send + Sync) {
        self
    }
}

/// For how long the upstream says that the answer is good, if it may be stored at all. 6.2 asks more of this.
fn lifetime(response: &ResponseHeader) -> Option<Duration> {
    let control = CacheControl::from_resp_headers(response)?;
    let stored = response.status == StatusCode::OK && control.is_cacheable() != Cacheable::No;
    stored.then(|| control.fresh_duration()).flatten()
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

/// A time in milliseconds from the environment.
fn milliseconds(name: &str, default: u64) -> Duration {
    let text = std::env::var(name).unwrap_or_else(|_| default.to_string());
    match text.parse() {
        Ok(time @ 1..) => Duration::from_millis(time),
        _ => {
            eprintln!("{name}: '{text}' is no number of milliseconds. Set {name}={default}");
            std::process::exit(2)
        }
    }
}

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or(LOG)).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let lock = lock(milliseconds("LOCK_TIMEOUT_MS", 5000));
    let upstreams = upstreams::from_env();

    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(|error| {
        eprintln!("cannot start: {error}");
        std::process::exit(2)
    });
    server.bootstrap();

    let mut proxy = http_proxy_service(&server.configuration, Edge { upstreams, lock });
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  for i in 1 2 3 4; do curl -s http://{listen}/delay/500 & done; wait");
    server.run_forever();
}
