//! 6.5 Vary: an answer for each kind of request, and one PURGE for all of them.

use std::{
    net::{IpAddr, SocketAddr},
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use env_logger::Env;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use ipnet::IpNet;
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
    /// The networks of those who may purge.
    purge_from: Vec<IpNet>,
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn request_filter(&self, session: &mut Session, _ctx: &mut ()) -> Result<bool> {
        // TODO 6.5: PURGE is for a few; the others are told so, with 403.
        if session.req_header().method != "PURGE" || self.may_purge(client_of(session)) {
            return Ok(false);
        }
        session.respond_error(403).await?;
        Ok(true)
        // END TODO
    }

    fn is_purge(&self, session: &Session, _ctx: &()) -> bool {
        session.req_header().method == "PURGE"
    }

    fn request_cache_filter(&self, session: &mut Session, _ctx: &mut ()) -> Result<()> {
        // PURGE too: it finds the answer by the key of the GET (proxy/proxy_purge.rs; 405 without a cache).
        if matches!(
            session.req_header().method.as_str(),
            "GET" | "HEAD" | "PURGE"
        ) {
            session.cache.enable(&*STORAGE, None, None, None, None);
        }
        Ok(())
    }

    // TODO 6.5: keep the variants apart, and still find all of them by the target alone.
    /// PURGE has this key and no variance. It removes the entry that Pingora looks at first, and variants that are
    /// older than that one do not count any more (pingora-cache, cache_vary_lookup).
    fn cache_key_callback(&self, session: &Session, _ctx: &mut ()) -> Result<CacheKey> {
        Ok(CacheKey::new(target_of(session.req_header()), ""))
    }

    fn cache_vary_filter(
        &self,
        meta: &CacheMeta,
        _ctx: &mut (),
        request: &RequestHeader,
    ) -> Option<HashBinary> {
        variance(meta.headers(), &request.headers)
    }
    // END TODO

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
        let everything = names(&response.headers).any(|name| name == "*");
        let Some(lifetime) = lifetime(response).filter(|_| !everything) else {
            return Ok(RespCacheable::Uncacheable(NoCacheReason::OriginNotCache));
        };
        let now = SystemTime::now();
        let fresh_until = now.checked_add(lifetime).unwrap_or(now);
        let meta = CacheMeta::new(fresh_until, now, 0, 0, response.clone());
        Ok(RespCacheable::Cacheable(meta))
    }
}

impl Edge {
    fn may_purge(&self, client: Option<IpAddr>) -> bool {
        client.is_some_and(|client| self.purge_from.iter().any(|net| net.contains(&client)))
    }
}

// TODO 6.5: what your answer needs.
use pingora_cache::{VarianceBuilder, key::HashBinary};

/// Which variant a request gets: equal values for requests that are equal in all that the answer varies by. `None`
/// says that the answer is the same for all.
fn variance(answer: &HeaderMap, request: &HeaderMap) -> Option<HashBinary> {
    let mut variance = VarianceBuilder::new();
    for name in names(answer) {
        // Without a value for what is absent, it would have no variance, and get whatever is stored.
        let value = match request.contains_key(&name) {
            true => [b"+".as_slice(), &normal(&name, request)].concat(),
            false => b"-".to_vec(),
        };
        variance.add_owned_name_value(name, value);
    }
    variance.finalize()
}

/// All lines of a header as one, in one spelling if its members mean the same in any case and order. In bytes: a value
/// need not be text.
fn normal(name: &str, request: &HeaderMap) -> Vec<u8> {
    let lines = request.get_all(name).iter().map(HeaderValue::as_bytes);
    let whole = lines.collect::<Vec<_>>().join(&b","[..]);
    if name != header::ACCEPT_ENCODING && name != header::ACCEPT_LANGUAGE {
        return whole;
    }
    // `gzip; q=0.5` and `GZIP;q=0.5` are the same, `gzip` alone is not.
    let mut whole = whole.to_ascii_lowercase();
    whole.retain(|byte| !b" \t".contains(byte));
    let members = whole.split(|byte| *byte == b',');
    let mut members: Vec<&[u8]> = members.filter(|it| !it.is_empty()).collect();
    members.sort_unstable();
    members.join(&b","[..])
}
// END TODO

/// Whose connection this is.
fn client_of(session: &Session) -> Option<IpAddr> {
    // Not X-Forwarded-For: anybody can write that.
    let client = session.client_addr()?.as_inet()?;
    Some(client.ip().to_canonical())
}

/// The names in Vary, on one line or several, in lower case.
fn names(answer: &HeaderMap) -> impl Iterator<Item = String> {
    let lines = answer.get_all(header::VARY).iter();
    let names = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b','));
    let names = names.map(|name| String::from_utf8_lossy(name).trim().to_ascii_lowercase());
    // What is no name cannot be asked for; it is as good as `*`.
    names
        .filter(|it| !it.is_empty())
        .map(|it| match HeaderName::try_from(&it) {
            Ok(_) => it,
            Err(_) => "*".to_owned(),
        })
}

/// For how long the upstream says that the answer is good, if it may be stored at all. 6.2 asks more of this.
fn lifetime(response: &ResponseHeader) -> Option<Duration> {
    let control = CacheControl::from_resp_headers(response)?;
    let stored = response.status == StatusCode::OK && control.is_cacheable() != Cacheable::No;
    stored.then(|| control.fresh_duration()).flatten()
}

/// Host and target, each with its length before it: the key of 6.1.
fn target_of(request: &RequestHeader) -> Vec<u8> {
    let host = request.headers.get(header::HOST);
    let host = host.map_or(&[][..], HeaderValue::as_bytes);
    let mut key = host.len().to_be_bytes().to_vec();
    key.extend(host);
    let target = request.uri.path_and_query();
    key.extend(target.map_or("/", |target| target.as_str()).as_bytes());
    key
}

/// Networks such as `10.0.0.0/8,192.0.2.7/32`, from the environment.
fn networks(name: &str, default: &str) -> Vec<IpNet> {
    let list = std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let entries = list.split(',').map(str::trim);
    let entries = entries.filter(|entry| !entry.is_empty());
    let networks: Result<_, _> = entries.map(str::parse).collect();
    networks.unwrap_or_else(|error| {
        eprintln!("{name}: '{list}': {error}. Write networks: {name}={default}");
        std::process::exit(2)
    })
}

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or(LOG)).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let purge_from = networks("PURGE_FROM", "127.0.0.0/8,::1/128");
    let upstreams = upstreams::from_env();

    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(|error| {
        eprintln!("cannot start: {error}");
        std::process::exit(2)
    });
    server.bootstrap();

    let mut proxy = http_proxy_service(
        &server.configuration,
        Edge {
            upstreams,
            purge_from,
        },
    );
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -i 'http://{listen}/headers?Cache-Control=max-age%3D60&Vary=Accept-Language'");
    println!(
        "  curl -i -X PURGE 'http://{listen}/headers?Cache-Control=max-age%3D60&Vary=Accept-Language'"
    );
    server.run_forever();
}
