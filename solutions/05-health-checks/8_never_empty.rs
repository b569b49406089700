//! 5.8 Never empty: who returns gets its load step by step, and if too many are out, all are used.

use std::{
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use env_logger::Env;
use pingora::{
    Error, ErrorSource,
    ErrorType::HTTPStatus,
    Result,
    http::ResponseHeader,
    prelude::HttpPeer,
    proxy::{ProxyHttp, Session, http_proxy_service},
    server::{Server, configuration::Opt},
};
use serde_json::{Value, json};

struct Edge {
    fleet: Mutex<Fleet>,
}

/// What is known of one request.
#[derive(Default)]
struct Ctx {
    upstream: Option<SocketAddr>,
}

/// What a backend gets when it has its whole share, in percent.
const WHOLE: u64 = 100;

struct Fleet {
    policy: Policy,
    backends: Vec<Backend>,
}

struct Policy {
    /// So many failures in a row eject a backend.
    failures: u32,
    /// So long it is out. It does not grow here; see exercise 5.6.
    cool_down: Duration,
    /// So long it takes from its return to its whole share.
    slow_start: Duration,
    /// If fewer of a hundred backends are in, all are used.
    panic_percent: usize,
}

struct Backend {
    address: SocketAddr,
    state: State,
    /// When the state began.
    since: Instant,
    why: String,
    /// In a row.
    failures: u32,
    /// What it is owed: see `Fleet::choose`.
    credit: i64,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    /// Since the start.
    In,
    Out,
    /// In again, after it was out.
    Returned,
}

/// What a request says of its upstream.
enum Verdict {
    Works,
    Fails(String),
    Nothing,
}

/// Whose fault is it? As in exercise 5.6.
fn verdict(error: Option<&Error>, status: u16) -> Verdict {
    match error {
        Some(error) if error.esource() == &ErrorSource::Upstream => {
            Verdict::Fails(error.etype().as_str().to_owned())
        }
        _ if [502, 503, 504].contains(&status) => Verdict::Fails(format!("status {status}")),
        None => Verdict::Works,
        Some(_) => Verdict::Nothing,
    }
}

impl Backend {
    fn new(address: SocketAddr) -> Self {
        Self {
            address,
            state: State::In,
            since: Instant::now(),
            why: "started".to_owned(),
            failures: 0,
            credit: 0,
        }
    }

    /// What time alone changes.
    fn look(&mut self, policy: &Policy, now: Instant) {
        let elapsed = now.saturating_duration_since(self.since);
        if self.state == State::Out && elapsed >= policy.cool_down {
            let why = format!("was out for {:?}", policy.cool_down);
            self.change(State::Returned, why, now);
        }
    }

    fn failed(&mut self, why: String, policy: &Policy, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if self.state != State::Out && self.failures >= policy.failures {
            self.change(State::Out, why, now);
        }
    }

    /// Each change is logged once, here.
    fn change(&mut self, state: State, why: String, now: Instant) {
        log::warn!("{} is {}: {why}", self.address, state.name());
        self.state = state;
        self.since = now;
        self.why = why;
        self.failures = 0;
        self.credit = 0;
    }

    // TODO 5.8: who has been out comes back step by step.
    /// What it gets of a whole share, in percent.
    fn share(&self, policy: &Policy, now: Instant) -> u64 {
        match self.state {
            State::In => WHOLE,
            State::Out => 0,
            State::Returned => {
                let elapsed = now.saturating_duration_since(self.since).as_micros();
                let ramp = policy.slow_start.as_micros().max(1);
                let grown = u64::try_from(u128::from(WHOLE) * elapsed / ramp);
                // A tenth at least: with nothing at all it would never be warm.
                grown.unwrap_or(WHOLE).clamp(WHOLE / 10, WHOLE)
            }
        }
    }
    // END TODO
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::In | Self::Returned => "in",
            Self::Out => "out",
        }
    }
}

impl Fleet {
    // TODO 5.8: when are too many out?
    /// Whether all are used, also those that are out.
    fn panicking(&self) -> bool {
        let backends = self.backends.iter();
        let inside = backends.filter(|it| it.state != State::Out).count();
        inside == 0 || inside * 100 < self.backends.len() * self.policy.panic_percent
    }
    // END TODO

    /// Smooth weighted round robin, as in exercise 4.2, with the shares as weights. Who has none is left out.
    fn choose(&mut self, now: Instant) -> Option<SocketAddr> {
        let panicking = self.panicking();
        let mut sum = 0;
        let mut chosen: Option<&mut Backend> = None;
        for backend in &mut self.backends {
            let weight = match panicking {
                true => WHOLE,
                false => backend.share(&self.policy, now),
            };
            if weight == 0 {
                continue;
            }
            let weight = i64::try_from(weight).unwrap_or(i64::MAX);
            sum += weight;
            backend.credit += weight;
            if chosen.as_ref().is_none_or(|it| backend.credit > it.credit) {
                chosen = Some(backend);
            }
        }
        let chosen = chosen?;
        chosen.credit -= sum;
        Some(chosen.address)
    }

    /// A request is over, and this is what it says of its upstream.
    fn report(&mut self, address: SocketAddr, verdict: Verdict, now: Instant) {
        let mut backends = self.backends.iter_mut();
        if let Some(backend) = backends.find(|it| it.address == address) {
            match verdict {
                Verdict::Works => backend.failures = 0,
                Verdict::Fails(why) => backend.failed(why, &self.policy, now),
                Verdict::Nothing => {}
            }
        }
    }
}

impl Edge {
    /// As it is now: cool-downs end by time alone, so whoever looks makes the change.
    fn fleet(&self, now: Instant) -> MutexGuard<'_, Fleet> {
        let mut fleet = self.fleet.lock().unwrap_or_else(PoisonError::into_inner);
        let Fleet { policy, backends } = &mut *fleet;
        for backend in backends {
            backend.look(policy, now);
        }
        fleet
    }

    fn status(&self) -> Value {
        let now = Instant::now();
        let fleet = self.fleet(now);
        let backends = fleet.backends.iter().map(|it| {
            json!({
                "address": it.address.to_string(),
                "state": it.state.name(),
                "since_ms": now.saturating_duration_since(it.since).as_millis(),
                "why": it.why,
                "share": it.share(&fleet.policy, now),
            })
        });
        json!({ "panic": fleet.panicking(), "backends": Vec::from_iter(backends) })
    }
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = Ctx;

    fn new_ctx(&self) -> Ctx {
        Ctx::default()
    }

    async fn request_filter(&self, session: &mut Session, _ctx: &mut Ctx) -> Result<bool> {
        if session.req_header().uri.path() != "/status" {
            return Ok(false);
        }
        let body = self.status().to_string() + "\n";
        let mut header = ResponseHeader::build(200, Some(3))?;
        header.insert_header("content-type", "application/json")?;
        header.insert_header("cache-control", "no-store")?;
        header.set_content_length(body.len())?;
        let head = session.req_header().method == "HEAD";
        session
            .write_response_header(Box::new(header), head)
            .await?;
        if !head {
            session
                .write_response_body(Some(Bytes::from(body)), true)
                .await?;
        }
        Ok(true)
    }

    async fn upstream_peer(&self, _session: &mut Session, ctx: &mut Ctx) -> Result<Box<HttpPeer>> {
        let now = Instant::now();
        ctx.upstream = self.fleet(now).choose(now);
        let upstream = ctx
            .upstream
            .ok_or_else(|| Error::explain(HTTPStatus(503), "no upstream is in"))?;
        let mut peer = HttpPeer::new(upstream, false, String::new());
        peer.options.connection_timeout = Some(Duration::from_secs(3));
        peer.options.total_connection_timeout = Some(Duration::from_secs(5));
        peer.options.read_timeout = Some(Duration::from_secs(10));
        peer.options.write_timeout = Some(Duration::from_secs(10));
        Ok(Box::new(peer))
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Ctx) {
        let status = session
            .response_written()
            .map_or(0, |response| response.status.as_u16());
        if let Some(upstream) = ctx.upstream {
            let now = Instant::now();
            self.fleet(now)
                .report(upstream, verdict(error, status), now);
        }
        let request = session.request_summary();
        let error = error.map_or(String::new(), |error| format!(" error={error}"));
        log::info!("{request} {status}{error}");
    }

    /// Pingora would write a line of its own for an error; `logging` has it.
    fn suppress_error_log(&self, _session: &Session, _ctx: &Ctx, _error: &Error) -> bool {
        true
    }
}

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let upstreams = upstreams::from_env();
    let policy = Policy {
        failures: number("FAILURES", 5),
        cool_down: milliseconds("COOL_DOWN_MS", 10_000),
        slow_start: milliseconds("SLOW_START_MS", 30_000),
        panic_percent: percent("PANIC_PERCENT", 50),
    };
    println!(
        "Out after {} failures in a row, for {:?}; the whole share {:?} later; panic below {} %",
        policy.failures, policy.cool_down, policy.slow_start, policy.panic_percent
    );

    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(|error| {
        eprintln!("cannot start: {error}");
        std::process::exit(2)
    });
    server.bootstrap();

    let fleet = Fleet {
        policy,
        backends: upstreams.into_iter().map(Backend::new).collect(),
    };
    let edge = Edge {
        fleet: Mutex::new(fleet),
    };
    let mut proxy = http_proxy_service(&server.configuration, edge);
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -s http://{listen}/status");
    println!("  curl -i http://{listen}/status/503");
    server.run_forever();
}

fn milliseconds(variable: &str, default: u32) -> Duration {
    Duration::from_millis(number(variable, default).into())
}

/// A number above 0 from the environment.
fn number(variable: &str, default: u32) -> u32 {
    setting(variable, default, "a whole number above 0", |it| it > 0)
}

fn percent(variable: &str, default: u32) -> usize {
    let percent = setting(variable, default, "a number from 0 to 100", |it| it <= 100);
    usize::try_from(percent).unwrap_or(usize::MAX)
}

fn setting(variable: &str, default: u32, what: &str, holds: impl Fn(u32) -> bool) -> u32 {
    let Ok(text) = std::env::var(variable) else {
        return default;
    };
    match text.parse() {
        Ok(number) if holds(number) => number,
        _ => {
            eprintln!("{variable}: {text:?} is not {what}, as in {variable}={default}");
            std::process::exit(2)
        }
    }
}
