//! The phases of a cached request, in the order in which Pingora runs them. Each asks the module that knows the rule.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use log::{debug, info, warn};
use pingora::{
    Error, ErrorSource,
    ErrorType::{HTTPStatus, InternalError},
    Result,
    http::{RequestHeader, ResponseHeader},
    prelude::HttpPeer,
    proxy::{FailToProxy, ProxyHttp, RangeType, Session},
};
use pingora_cache::{
    CacheKey, CacheMeta, CacheOptionOverrides, CachePhase, ForcedFreshness, HitHandler,
    NoCacheReason, PurgeTarget, PurgeType, RespCacheable, Storage, key::HashBinary,
    lock::CacheKeyLockImpl, trace::Span,
};

use crate::{
    date,
    directives::Directives,
    entry, errors,
    freshness::{self, Lifetime, Times},
    invalidate, key, policy, purge, ranges,
    request::{self, Judgement, Kind, State},
    settings::Settings,
    status::{CacheStatus, Forwarded},
    store::Store,
    validate, vary,
};

/// The statuses that count as an error of the upstream (RFC 5861, section 4).
const ERRORS: [u16; 4] = [500, 502, 503, 504];

/// The proxy: one for all requests.
pub(crate) struct Edge {
    pub(crate) upstreams: Vec<SocketAddr>,
    pub(crate) next: AtomicUsize,
    pub(crate) settings: Settings,
    /// Pingora wants both for as long as the process runs.
    pub(crate) store: &'static Store,
    pub(crate) lock: &'static CacheKeyLockImpl,
}

/// What is known of one request.
pub(crate) struct Ctx {
    kind: Kind,
    /// What the request asks of the cache.
    asked: Directives,
    /// It is the cache's own, to validate in the background what was served stale.
    background: bool,
    /// Why it had to be passed on, if it was.
    forwarded: Option<Forwarded>,
    detail: Option<&'static str>,
    upstream_status: Option<u16>,
    times: Times,
    /// The stored GET that the answer to this HEAD updates, or puts out of date.
    head_of: Option<CacheKey>,
    /// The fields of a 304.
    not_modified: Option<HeaderMap>,
    /// The 304 was about something else: the request is made again, without conditions.
    unconditional: bool,
    /// A newer answer came, which may not be stored: the older one must not outlive it.
    superseded: bool,
    /// The upstream's answer had an age already.
    aged: bool,
    stored: bool,
    withheld: Vec<(HeaderName, HeaderValue)>,
    /// What the client was told.
    status: Option<CacheStatus>,
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = Ctx;

    fn new_ctx(&self) -> Ctx {
        let now = SystemTime::now();
        Ctx {
            kind: Kind::Aside,
            asked: Directives::default(),
            background: false,
            forwarded: None,
            detail: None,
            upstream_status: None,
            times: Times {
                asked: now,
                received: now,
            },
            head_of: None,
            not_modified: None,
            unconditional: false,
            superseded: false,
            aged: false,
            stored: false,
            withheld: Vec::new(),
            status: None,
        }
    }

    async fn early_request_filter(&self, session: &mut Session, ctx: &mut Ctx) -> Result<()> {
        session.set_write_timeout(Some(Duration::from_secs(10)));
        // A client of HTTP/1.0 that did not ask for more waits for the end of the connection.
        if session.get_keepalive().is_some() {
            session.set_keepalive(Some(60));
        }
        // See `pass_on_interim`.
        session.set_ignore_info_resp(true);
        let has_body = !session.is_body_empty();
        ctx.kind = request::kind(session.req_header(), has_body);
        ctx.background = session.subrequest_ctx.is_some();
        if !ctx.background {
            ctx.asked = Directives::of_request(&session.req_header().headers);
        }
        Ok(())
    }

    /// Purging is for those who may.
    async fn request_filter(&self, session: &mut Session, ctx: &mut Ctx) -> Result<bool> {
        if ctx.kind != Kind::Purge {
            return Ok(false);
        }
        let client = session.client_addr().and_then(|address| address.as_inet());
        if purge::is_allowed(&self.settings.purge_from, client.map(|client| client.ip())) {
            return Ok(false);
        }
        errors::answer(session, 403, "edge; fwd=method; detail=not-allowed").await?;
        Ok(true)
    }

    fn request_cache_filter(&self, session: &mut Session, ctx: &mut Ctx) -> Result<()> {
        ctx.forwarded = match ctx.kind {
            Kind::Get | Kind::Head | Kind::Purge if self.settings.cache_bytes > 0 => None,
            Kind::Get | Kind::Head | Kind::Purge | Kind::Aside => Some(Forwarded::Bypass),
            Kind::Safe | Kind::Unsafe => Some(Forwarded::Method),
        };
        if ctx.forwarded.is_none() && key::of(session.req_header()).is_some() {
            let mut options = CacheOptionOverrides::default();
            options.wait_timeout = Some(self.settings.lock_timeout);
            let lock = Some(self.lock);
            session
                .cache
                .enable(self.store, None, None, lock, Some(options));
        }
        Ok(())
    }

    /// The lookup follows, and the lock if it finds nothing: whoever waits there can be seen only here.
    fn cache_key_callback(&self, session: &Session, ctx: &mut Ctx) -> Result<CacheKey> {
        debug!("{} is looked up", self.request_summary(session, ctx));
        let key = key::of(session.req_header());
        key.ok_or_else(|| Error::explain(InternalError, "no key for this request"))
    }

    fn is_purge(&self, _session: &Session, ctx: &Ctx) -> bool {
        ctx.kind == Kind::Purge
    }

    fn cache_vary_filter(
        &self,
        meta: &CacheMeta,
        _ctx: &mut Ctx,
        request: &RequestHeader,
    ) -> Option<HashBinary> {
        vary::variance(meta.headers(), &request.headers)
    }

    /// Something is stored. Is it what this client will take?
    async fn cache_hit_filter(
        &self,
        _session: &mut Session,
        meta: &CacheMeta,
        _body: &mut HitHandler,
        is_fresh: bool,
        ctx: &mut Ctx,
    ) -> Result<Option<ForcedFreshness>> {
        let now = SystemTime::now();
        let since = |later: SystemTime, earlier| later.duration_since(earlier).unwrap_or_default();
        let state = State {
            age: Duration::from_secs(meta.age().as_secs()),
            fresh_for: since(meta.fresh_until(), now),
            stale_for: since(now, meta.fresh_until()),
            is_fresh,
        };
        let response = Directives::of_response(meta.headers());
        let judgement = request::judge(&ctx.asked, &response, state);
        match judgement {
            Judgement::Validate if is_fresh => ctx.forwarded = Some(Forwarded::Request),
            _ if !is_fresh => ctx.forwarded = Some(Forwarded::Stale),
            _ => {}
        }
        Ok(match judgement {
            Judgement::AsItIs => None,
            Judgement::Validate => Some(ForcedFreshness::ForceExpired),
            Judgement::Reuse => {
                ctx.detail = Some("max-stale");
                Some(ForcedFreshness::ForceFresh)
            }
        })
    }

    /// Nothing is stored. What a HEAD or `no-store` brings must not be, so that request goes on as it is.
    fn cache_miss(&self, session: &mut Session, ctx: &mut Ctx) {
        let variant = session.cache.cache_key().get_variance_key().is_some();
        ctx.forwarded = Some(match variant {
            true => Forwarded::VaryMiss,
            false => Forwarded::UriMiss,
        });
        session.cache.cache_miss();
        if stores_nothing(ctx) {
            // `Deferred` lets the next one that waits for the same try (pingora-cache, lib.rs, `release_write_lock`).
            session.cache.disable(NoCacheReason::Deferred);
        }
    }

    /// The last phase before an upstream is asked.
    async fn proxy_upstream_filter(&self, session: &mut Session, ctx: &mut Ctx) -> Result<bool> {
        if ctx.asked.has("only-if-cached") && matches!(ctx.kind, Kind::Get | Kind::Head) {
            ctx.detail = Some("only-if-cached");
            let status = self.status(session, ctx);
            errors::answer(session, 504, &status).await?;
            return Ok(false);
        }
        if session.cache.phase() == CachePhase::Stale && stores_nothing(ctx) {
            if ctx.kind == Kind::Head {
                ctx.head_of = Some(session.cache.cache_key().clone());
            }
            session.cache.disable(NoCacheReason::Deferred);
        }
        Ok(true)
    }

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut Ctx) -> Result<Box<HttpPeer>> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.upstreams.len().max(1);
        let upstream = self.upstreams.get(turn);
        let upstream = upstream.ok_or_else(|| Error::explain(HTTPStatus(503), "no upstreams"))?;
        let mut peer = HttpPeer::new(*upstream, false, String::new());
        peer.options.connection_timeout = Some(self.settings.connect_timeout);
        peer.options.total_connection_timeout = Some(self.settings.connect_timeout);
        peer.options.read_timeout = Some(self.settings.read_timeout);
        peer.options.write_timeout = Some(self.settings.read_timeout);
        peer.options.idle_timeout = Some(Duration::from_secs(60));
        Ok(Box::new(peer))
    }

    /// Pingora has put the stored validators in place of the client's conditions (pingora-cache, filters.rs,
    /// `upstream::request_filter`).
    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        upstream_request: &mut RequestHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        ctx.times.asked = SystemTime::now();
        if ctx.unconditional {
            upstream_request.remove_header(&header::IF_NONE_MATCH);
            upstream_request.remove_header(&header::IF_MODIFIED_SINCE);
        }
        Ok(())
    }

    /// Before anything is stored. A 304 passes here too.
    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        if response.status.is_informational() {
            if !ctx.background {
                pass_on_interim(session, response).await;
            }
            return Ok(());
        }
        ctx.times.received = SystemTime::now();
        ctx.upstream_status = Some(response.status.as_u16());
        ctx.aged = response.headers.contains_key(header::AGE);
        policy::remove_connection_fields(response);
        if freshness::date(&response.headers).is_none() {
            // Whoever passes on a response without a date adds one (RFC 9110, section 6.6.1).
            let now = httpdate::fmt_http_date(ctx.times.received);
            response.insert_header(header::DATE, now)?;
        }
        if response.status == StatusCode::NOT_MODIFIED {
            ctx.not_modified = Some(response.headers.clone());
        }
        if ctx.kind == Kind::Unsafe {
            for key in invalidate::keys(session.req_header(), response.status, &response.headers) {
                self.forget(&key).await?;
            }
        }
        if let Some(key) = ctx.head_of.take() {
            self.update_from_head(&key, response, ctx).await?;
        }
        Ok(())
    }

    /// May it be stored? `response` is what came, or the stored header where it was a 304.
    fn response_cache_filter(
        &self,
        session: &Session,
        response: &ResponseHeader,
        ctx: &mut Ctx,
    ) -> Result<RespCacheable> {
        let mut header = response.clone();
        let stored = session.cache.maybe_cache_meta();
        if let (Some(new), Some(stored)) = (&ctx.not_modified, stored) {
            if !validate::is_about(stored.headers(), new) {
                ctx.unconditional = true;
                return Ok(refused("not-about-it"));
            }
            // Pingora takes five fields over (pingora-cache, lib.rs, `revalidate_merge_header`): not enough.
            header = validate::updated(stored.response_header(), new);
            let cookies = new.get_all(header::SET_COOKIE).iter().cloned();
            let cookies = cookies.map(|value| (header::SET_COOKIE, value));
            ctx.withheld.extend(cookies);
        }
        let directives = Directives::of_response(&header.headers);
        let asked = &session.req_header().headers;
        if stores_nothing(ctx) || ctx.unconditional {
            return Ok(RespCacheable::Uncacheable(NoCacheReason::Deferred));
        }
        if let Some(why) = policy::refusal(asked, header.status, &header.headers, &directives) {
            ctx.detail = Some(why);
            ctx.superseded = session.cache.phase() == CachePhase::Stale;
            return Ok(refused(why));
        }
        let lifetime = self.lifetime(&header, &directives, ctx);
        if !policy::is_worth_storing(header.status, &header.headers, &directives, lifetime) {
            return Ok(match header.status.is_server_error() {
                // Those who wait try one after the other: an upstream in trouble is not helped by all at once.
                true => RespCacheable::Uncacheable(NoCacheReason::Deferred),
                false => refused("no-freshness"),
            });
        }
        let fresh = ctx.not_modified.as_ref().unwrap_or(&header.headers).clone();
        let settings = &self.settings;
        let entry = entry::new(header, &fresh, &directives, lifetime, ctx.times, settings);
        ctx.withheld.extend(entry.withheld);
        ctx.stored = true;
        Ok(RespCacheable::Cacheable(entry.meta))
    }

    /// What is stored is stale. May it be used all the same?
    fn should_serve_stale(
        &self,
        session: &mut Session,
        ctx: &mut Ctx,
        error: Option<&Error>,
    ) -> bool {
        // Pingora asks only within the windows that the entry was stored with.
        let Some(error) = error else {
            ctx.detail = Some("stale-while-revalidate");
            return true;
        };
        if error.esource() != &ErrorSource::Upstream {
            return false;
        }
        if let HTTPStatus(status) = error.etype() {
            ctx.upstream_status = Some(*status);
        }
        let allowed = match error.etype() {
            HTTPStatus(status) => ERRORS.contains(status) && self.may_hide_error(session, ctx),
            _ => true,
        };
        if allowed {
            ctx.detail = Some("stale-if-error");
        }
        allowed
    }

    fn cache_not_modified_filter(
        &self,
        session: &Session,
        response: &ResponseHeader,
        _ctx: &mut Ctx,
    ) -> Result<bool> {
        let meta = session.cache.maybe_cache_meta();
        let received = meta.map_or_else(SystemTime::now, |meta| meta.updated());
        let request = &session.req_header().headers;
        let (status, response) = (response.status, &response.headers);
        Ok(validate::is_not_modified(
            request, status, response, received,
        ))
    }

    fn range_header_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Ctx,
    ) -> RangeType {
        // Only a GET has ranges (RFC 9110, section 14.2).
        match ctx.kind {
            Kind::Get => ranges::of(session.req_header(), response),
            _ => RangeType::None,
        }
    }

    /// The last phase before the client, for hits too.
    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        if response.status.is_informational() {
            return Ok(());
        }
        if ctx.unconditional && session.cache.enabled() {
            return self.ask_again(session).await;
        }
        if ctx.superseded
            && let Some(key) = session.cache.maybe_cache_key()
        {
            self.forget(key).await?;
        }
        let meta = session.cache.maybe_cache_meta();
        if let Some(meta) = meta.filter(|_| ctx.aged && ctx.stored) {
            response.insert_header(header::AGE, meta.age().as_secs())?;
        }
        for (name, value) in std::mem::take(&mut ctx.withheld) {
            response.append_header(name, value)?;
        }
        response.append_header("cache-status", self.status(session, ctx))?;
        date::keep(response)
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        ctx: &mut Ctx,
    ) -> FailToProxy {
        let asked_about = matches!(ctx.forwarded, Some(Forwarded::Stale | Forwarded::Request));
        let status = errors::status(error, asked_about);
        let cache_status = self.status(session, ctx);
        if let Err(error) = errors::answer(session, status, &cache_status).await {
            info!("the client did not take the answer: {error}");
        }
        FailToProxy {
            error_code: status,
            can_reuse_downstream: false,
        }
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Ctx) {
        let written = session.response_written();
        let code = written.map_or(0, |response| response.status.as_u16());
        let who = if ctx.background { " background" } else { "" };
        let request = self.request_summary(session, ctx);
        let status = ctx
            .status
            .map_or_else(String::new, |status| format!(" {status}"));
        let line = format!("{request}{who} {code}{status}");
        match error {
            None => info!("{line}"),
            Some(error) => warn!("{line} error={error}"),
        }
    }

    fn suppress_error_log(&self, _session: &Session, _ctx: &Ctx, _error: &Error) -> bool {
        true
    }

    fn request_summary(&self, session: &Session, _ctx: &Ctx) -> String {
        let request = session.req_header();
        format!("{} {}", request.method, request.raw_path().escape_ascii())
    }
}

impl Edge {
    /// How long a response is fresh that has this header now.
    fn lifetime(&self, header: &ResponseHeader, directives: &Directives, ctx: &Ctx) -> Lifetime {
        let (status, headers) = (header.status, &header.headers);
        let longest = self.settings.heuristic_max;
        freshness::lifetime(status, headers, directives, ctx.times.received, longest)
    }

    /// What to tell the client, and the log.
    fn status(&self, session: &Session, ctx: &mut Ctx) -> String {
        let phase = session.cache.phase();
        let waited = session.cache.lock_duration().is_some();
        let hit = matches!(phase, CachePhase::Hit | CachePhase::StaleUpdating);
        let collapsed = hit && waited;
        let forwarded = match hit {
            false => Some(ctx.forwarded.unwrap_or(Forwarded::Bypass)),
            true if waited => Some(ctx.forwarded.unwrap_or(Forwarded::UriMiss)),
            true => None,
        };
        let meta = session.cache.maybe_cache_meta();
        let stored = ctx.stored && session.cache.enabled();
        let status = CacheStatus {
            forwarded,
            upstream: ctx.upstream_status.filter(|_| !hit),
            ttl: meta.filter(|_| hit || stored).map(ttl),
            stored: stored && !hit,
            collapsed,
            detail: ctx.detail,
        };
        ctx.status = Some(status);
        status.to_string()
    }

    /// Whether an answer that is an error may be replaced by the stored one: the origin or the client must have said so.
    fn may_hide_error(&self, session: &Session, ctx: &Ctx) -> bool {
        let Some(meta) = session.cache.maybe_cache_meta() else {
            return false;
        };
        let response = Directives::of_response(meta.headers());
        let window = freshness::windows(&response, Duration::ZERO).on_error;
        let window = window.max(ctx.asked.least("stale-if-error").unwrap_or(0));
        let stale_for = SystemTime::now().duration_since(meta.fresh_until());
        !freshness::forbids_stale(&response)
            && stale_for.is_ok_and(|it| it.as_secs() < window.into())
    }

    /// All variants, and what is on its way in.
    async fn forget(&self, key: &CacheKey) -> Result<()> {
        let (key, span) = (key.to_compact(), Span::inactive().handle());
        let target = PurgeTarget::Active(&key);
        self.store
            .purge(target, PurgeType::Invalidation, &span)
            .await?;
        Ok(())
    }

    /// RFC 9111, section 4.3.5: the stored GET is fresh again, or out of date.
    async fn update_from_head(
        &self,
        key: &CacheKey,
        head: &ResponseHeader,
        ctx: &Ctx,
    ) -> Result<()> {
        if head.status != StatusCode::OK {
            return Ok(());
        }
        let span = Span::inactive().handle();
        let Some((old, _)) = self.store.lookup(key, &span).await? else {
            return Ok(());
        };
        if !validate::head_agrees(old.headers(), &head.headers) {
            return self.forget(key).await;
        }
        let header = validate::updated(old.response_header(), &head.headers);
        let directives = Directives::of_response(&header.headers);
        let lifetime = self.lifetime(&header, &directives, ctx);
        let settings = &self.settings;
        let entry = entry::new(
            header,
            &head.headers,
            &directives,
            lifetime,
            ctx.times,
            settings,
        );
        let mut meta = entry.meta;
        if let Some(variance) = old.variance() {
            meta.set_variance(variance);
        }
        self.store.update_meta(key, &meta, &span).await?;
        Ok(())
    }

    /// A 304 that is not about what was asked about says nothing of what is stored (RFC 9111, section 4.3.4). Pingora
    /// would serve that; so it goes, and the request starts anew.
    async fn ask_again(&self, session: &mut Session) -> Result<()> {
        let key = session.cache.cache_key().clone();
        self.forget(&key).await?;
        session.cache.disable(NoCacheReason::Deferred);
        let mut error = Error::explain(InternalError, "a 304 about something else");
        error.set_retry(true);
        Err(error)
    }
}

/// Early hints and the like. Pingora drops one that arrives together with an answer which is stored (pingora-proxy,
/// proxy_h1.rs, `process_upstream_tasks`), so they are written here, and only here.
async fn pass_on_interim(session: &mut Session, response: &ResponseHeader) {
    // A 101 is an answer, and a 100 Pingora sends to who expects it.
    if matches!(response.status.as_u16(), 100 | 101) {
        return;
    }
    session.set_ignore_info_resp(false);
    let hint = Box::new(response.clone());
    if let Err(error) = session.write_response_header(hint, false).await {
        // What is on its way may still be stored for others.
        info!("the client did not take a {}: {error}", response.status);
    }
    session.set_ignore_info_resp(true);
}

/// Whether nothing of this request's answer may be stored.
fn stores_nothing(ctx: &Ctx) -> bool {
    ctx.asked.has("no-store") || (ctx.kind == Kind::Head && !ctx.background)
}

fn refused(why: &'static str) -> RespCacheable {
    RespCacheable::Uncacheable(NoCacheReason::Custom(why))
}

fn ttl(meta: &CacheMeta) -> i64 {
    // Rounded up: an age that is rounded down and this make the lifetime.
    let seconds = |duration: Duration| i64::try_from(duration.as_millis().div_ceil(1000));
    match meta.fresh_until().duration_since(SystemTime::now()) {
        Ok(left) => seconds(left).unwrap_or(i64::MAX),
        Err(late) => seconds(late.duration()).map_or(i64::MIN, |late| -late),
    }
}
