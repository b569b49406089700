//! A proxy with a cache, inside of the test, whose filters note what they are given and leave a mark on it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use lab::{Reply, Upstream};
use pingora::{
    Result,
    apps::ServerApp,
    cache::{
        CacheKey, CacheMeta, ForcedFreshness, HitHandler, MemCache, NoCacheReason,
        RespCacheable::{self, Cacheable, Uncacheable},
    },
    http::{RequestHeader, ResponseHeader},
    prelude::HttpPeer,
    protocols::l4::stream::Stream,
    proxy::{HttpProxy, ProxyHttp, Session},
    server::configuration::ServerConf,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// The header that each filter appends, with the number of the request (`x-run`) as the value.
pub(crate) const MARKS: [&str; 3] = ["x-one", "x-two", "x-three"];

/// What `upstream_response_filter` changes in a 304 besides.
pub(crate) const CHANGES: [(&str, &str); 12] = [
    ("Age", "7"),
    ("Cache-Control", "max-age=7"),
    ("Cache-Tag", "seven"),
    ("CDN-Cache-Control", "max-age=7"),
    ("Content-Language", "fr"),
    ("Content-Location", "/seven"),
    ("Date", "Thu, 01 Jan 1970 00:00:07 GMT"),
    ("ETag", "\"7\""),
    ("Expires", "Thu, 01 Jan 2099 00:00:07 GMT"),
    ("Last-Modified", "Thu, 01 Jan 1970 00:00:07 GMT"),
    ("Vary", "x-seven"),
    ("X-Seven", "7"),
];

/// A message as a filter got it, before its mark.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// The status of an answer; a request has none.
    pub(crate) status: Option<u16>,
    headers: Vec<(String, String)>,
}

impl Message {
    fn new(status: Option<u16>, headers: &http::HeaderMap) -> Self {
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into();
        let headers = headers
            .iter()
            .map(|(name, value)| (name.to_string(), text(value)));
        Self {
            status,
            headers: headers.collect(),
        }
    }

    pub(crate) fn has(&self, name: &str, value: &str) -> bool {
        let mut headers = self.headers.iter();
        headers.any(|(other, held)| other.eq_ignore_ascii_case(name) && held == value)
    }
}

/// What the filters got while the last request was on its way, in the order of the table's columns.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    pub(crate) got: [Vec<Message>; 3],
    /// What `response_filter` found as the client's own request.
    pub(crate) clients_request: Option<Message>,
}

pub(crate) struct World {
    pub(crate) upstream: Upstream,
    address: SocketAddr,
    notes: Arc<Mutex<Notes>>,
}

impl World {
    /// With an upstream that gives these replies, one after the other.
    pub(crate) async fn with(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::before(Upstream::script(replies).await).await
    }

    pub(crate) async fn before(upstream: Upstream) -> Self {
        let notes = Arc::<Mutex<Notes>>::default();
        let probe = Probe {
            upstream: upstream.address(),
            cache: Box::leak(Box::new(MemCache::new())),
            notes: Arc::clone(&notes),
        };
        let mut proxy = HttpProxy::new(probe, Arc::new(ServerConf::default()));
        proxy.handle_init_modules();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(serve(Arc::new(proxy), listener));
        Self {
            upstream,
            address,
            notes,
        }
    }

    /// Sends a request with these header lines on a connection of its own, and returns all that comes back. The
    /// connection ends when everything is done, the cache's part included.
    pub(crate) async fn ask(&self, lines: &str) -> String {
        *lock(&self.notes) = Notes::default();
        let mut stream = TcpStream::connect(self.address).await.expect("it listens");
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{lines}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("read");
        let mut answer = Vec::new();
        let end = tokio::time::timeout(lab::patience(), stream.read_to_end(&mut answer)).await;
        end.expect("an end of the answer").expect("with FIN");
        String::from_utf8_lossy(&answer).into_owned()
    }

    pub(crate) fn notes(&self) -> Notes {
        lock(&self.notes).clone()
    }
}

async fn serve(proxy: Arc<HttpProxy<Probe>>, listener: TcpListener) {
    let (_running, shutdown) = watch::channel(false);
    while let Ok((stream, _)) = listener.accept().await {
        let (proxy, shutdown) = (Arc::clone(&proxy), shutdown.clone());
        let stream = Box::new(Stream::from(stream));
        tokio::spawn(async move { proxy.process_new(stream, &shutdown).await });
    }
}

struct Probe {
    upstream: SocketAddr,
    cache: &'static MemCache,
    notes: Arc<Mutex<Notes>>,
}

impl Probe {
    fn note(&self, filter: usize, message: Message) {
        lock(&self.notes).got[filter].push(message);
    }
}

#[async_trait]
impl ProxyHttp for Probe {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn request_filter(&self, session: &mut Session, _ctx: &mut ()) -> Result<bool> {
        if session.get_header("x-local").is_none() {
            return Ok(false);
        }
        let mut header = ResponseHeader::build(200, None)?;
        header.insert_header("content-length", 0)?;
        session
            .write_response_header(Box::new(header), true)
            .await?;
        Ok(true)
    }

    fn request_cache_filter(&self, session: &mut Session, _ctx: &mut ()) -> Result<()> {
        if session.get_header("x-no-cache").is_none() {
            session.cache.enable(self.cache, None, None, None, None);
        }
        Ok(())
    }

    fn cache_key_callback(&self, _session: &Session, _ctx: &mut ()) -> Result<CacheKey> {
        Ok(CacheKey::new("the only one", ""))
    }

    async fn cache_hit_filter(
        &self,
        session: &mut Session,
        _meta: &CacheMeta,
        _hit_handler: &mut HitHandler,
        _is_fresh: bool,
        _ctx: &mut (),
    ) -> Result<Option<ForcedFreshness>> {
        let expired = session.get_header("x-expired").is_some();
        Ok(expired.then_some(ForcedFreshness::ForceExpiredServeStale { expired_at: None }))
    }

    fn response_cache_filter(
        &self,
        _session: &Session,
        response: &ResponseHeader,
        _ctx: &mut (),
    ) -> Result<RespCacheable> {
        if response.status != 200 {
            return Ok(Uncacheable(NoCacheReason::OriginNotCache));
        }
        let now = SystemTime::now();
        let hour = Duration::from_secs(3600);
        let meta = CacheMeta::new(now + hour, now, 0, 3600, response.clone());
        Ok(Cacheable(meta))
    }

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.upstream, false, String::new())))
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        _ctx: &mut (),
    ) -> Result<()> {
        self.note(0, Message::new(None, &request.headers));
        request.append_header(MARKS[0], run(session))?;
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        _ctx: &mut (),
    ) -> Result<()> {
        let status = Some(response.status.as_u16());
        self.note(1, Message::new(status, &response.headers));
        response.append_header(MARKS[1], run(session))?;
        if response.status == 304 {
            for (name, value) in CHANGES {
                response.insert_header(name, value)?;
            }
        }
        Ok(())
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        _ctx: &mut (),
    ) -> Result<()> {
        let status = Some(response.status.as_u16());
        self.note(2, Message::new(status, &response.headers));
        let request = Message::new(None, &session.req_header().headers);
        lock(&self.notes).clients_request = Some(request);
        response.append_header(MARKS[2], run(session))?;
        Ok(())
    }
}

/// The number of the request.
fn run(session: &Session) -> String {
    let run = session.get_header("x-run").map(|run| run.as_bytes());
    String::from_utf8_lossy(run.unwrap_or(b"0")).into_owned()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
