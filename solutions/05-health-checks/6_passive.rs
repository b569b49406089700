//! 5.6 Passive: the requests themselves show who cannot serve them.

use std::{
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use env_logger::Env;
use pingora::{
    Error,
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
    read_timeout: Duration,
}

/// What is known of one request.
#[derive(Default)]
struct Ctx {
    upstream: Option<SocketAddr>,
    /// Whether the client has sent all of its body.
    sent: bool,
}

/// The backends, and whose turn it is.
struct Fleet {
    policy: Policy,
    backends: Vec<Backend>,
    turn: usize,
}

struct Policy {
    /// So many failures in a row eject a backend.
    failures: u32,
    /// How long it is out the first time. The next time it is twice as long, and so on.
    cool_down: Duration,
    /// But never longer than this.
    longest: Duration,
    /// Who stays in for so long begins with the first cool-down again.
    forget: Duration,
}

struct Backend {
    address: SocketAddr,
    /// How long it is out in all; `None` while it is in.
    cool_down: Option<Duration>,
    /// When it came in, or went out.
    since: Instant,
    why: String,
    /// In a row.
    failures: u32,
    /// That are not forgotten.
    ejections: u32,
}

/// What a request says of its upstream.
enum Verdict {
    Works,
    Fails(String),
    Nothing,
}

// TODO 5.6: whose fault is it? Only what the upstream did counts against it.
fn verdict(error: Option<&Error>, status: u16, sent: bool) -> Verdict {
    use pingora::{ErrorSource::Upstream, ErrorType::ReadTimedout};
    match error {
        // It waits for the client, as we do.
        Some(error) if error.etype() == &ReadTimedout && !sent => Verdict::Nothing,
        Some(error) if error.esource() == &Upstream => {
            Verdict::Fails(error.etype().as_str().to_owned())
        }
        // The server, or what is behind it, cannot do its work (RFC 9110, section 15.6). That stands, whether or not
        // the client waited for the end.
        _ if [502, 503, 504].contains(&status) => Verdict::Fails(format!("status {status}")),
        None => Verdict::Works,
        Some(_) => Verdict::Nothing,
    }
}
// END TODO

impl Backend {
    fn new(address: SocketAddr) -> Self {
        Self {
            address,
            cool_down: None,
            since: Instant::now(),
            why: "started".to_owned(),
            failures: 0,
            ejections: 0,
        }
    }

    // TODO 5.6: the upstreams are counted. Now draw conclusions: out, and in again.
    /// What time alone changes.
    fn look(&mut self, policy: &Policy, now: Instant) {
        let elapsed = now.saturating_duration_since(self.since);
        match self.cool_down {
            Some(cool_down) if elapsed >= cool_down => {
                self.change(None, format!("was out for {cool_down:?}"), now);
            }
            None if elapsed >= policy.forget => self.ejections = 0,
            _ => {}
        }
    }

    fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// `last` says that no other one is in.
    fn failed(&mut self, why: String, last: bool, policy: &Policy, now: Instant) {
        // What was under way when it went out is no news.
        if self.cool_down.is_some() {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures >= policy.failures && !last {
            let doubled = 1u32.checked_shl(self.ejections).unwrap_or(u32::MAX);
            let cool_down = policy.cool_down.saturating_mul(doubled);
            self.ejections = self.ejections.saturating_add(1);
            self.change(Some(cool_down.min(policy.longest)), why, now);
        }
    }

    /// Each change is logged once, here.
    fn change(&mut self, cool_down: Option<Duration>, why: String, now: Instant) {
        let state = if cool_down.is_none() { "in" } else { "out" };
        log::warn!("{} is {state}: {why}", self.address);
        self.cool_down = cool_down;
        self.since = now;
        self.why = why;
        self.failures = 0;
    }
    // END TODO

    /// For `/status`.
    fn json(&self, now: Instant) -> Value {
        json!({
            "address": self.address.to_string(),
            "state": if self.cool_down.is_none() { "in" } else { "out" },
            "since_ms": now.saturating_duration_since(self.since).as_millis(),
            "why": self.why,
            "failures": self.failures,
            "ejections": self.ejections,
            "cool_down_ms": self.cool_down.map(|cool_down| cool_down.as_millis()),
        })
    }
}

impl Fleet {
    /// Those that are in take turns.
    fn choose(&mut self) -> Option<SocketAddr> {
        let inside = self.backends.iter().filter(|it| it.cool_down.is_none());
        let inside: Vec<_> = inside.map(|it| it.address).collect();
        self.turn = self.turn.wrapping_add(1);
        let turn = self.turn.wrapping_sub(1) % inside.len().max(1);
        inside.get(turn).copied()
    }

    /// A request is over, and this is what it says of its upstream.
    fn report(&mut self, address: SocketAddr, verdict: Verdict, now: Instant) {
        let inside = self.backends.iter().filter(|it| it.cool_down.is_none());
        let last = inside.count() <= 1;
        let mut backends = self.backends.iter_mut();
        if let Some(backend) = backends.find(|it| it.address == address) {
            match verdict {
                Verdict::Works => backend.succeeded(),
                Verdict::Fails(why) => backend.failed(why, last, &self.policy, now),
                Verdict::Nothing => {}
            }
        }
    }
}

impl Edge {
    /// As it is now: cool-downs end by time alone, so whoever looks makes the change.
    fn fleet(&self, now: Instant) -> MutexGuard<'_, Fleet> {
        let mut fleet = self.fleet.lock().unwrap_or_else(PoisonError::into_inner);
        let Fleet {
            policy, backends, ..
        } = &mut *fleet;
        for backend in backends {
            backend.look(policy, now);
        }
        fleet
    }

    fn status(&self) -> Value {
        let now = Instant::now();
        let fleet = self.fleet(now);
        let backends = fleet.backends.iter().map(|it| it.json(now));
        json!({ "backends": Vec::from_iter(backends) })
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
        ctx.upstream = self.fleet(Instant::now()).choose();
        let upstream = ctx
            .upstream
            .ok_or_else(|| Error::explain(HTTPStatus(503), "no upstream is in"))?;
        let mut peer = HttpPeer::new(upstream, false, String::new());
        peer.options.connection_timeout = Some(Duration::from_secs(3));
        peer.options.total_connection_timeout = Some(Duration::from_secs(5));
        peer.options.read_timeout = Some(self.read_timeout);
        peer.options.write_timeout = Some(Duration::from_secs(10));
        Ok(Box::new(peer))
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        _body: &mut Option<Bytes>,
        end_of_stream: bool,
        ctx: &mut Ctx,
    ) -> Result<()> {
        ctx.sent |= end_of_stream;
        Ok(())
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Ctx) {
        let status = session
            .response_written()
            .map_or(0, |response| response.status.as_u16());
        let sent = ctx.sent;
        if let Some(upstream) = ctx.upstream {
            let now = Instant::now();
            self.fleet(now)
                .report(upstream, verdict(error, status, sent), now);
        }
        let request = session.request_summary();
        let error = error.map_or(String::new(), |error| format!(" error={error}"));
        log::info!("{request} {status} sent={sent}{error}");
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
    let read_timeout = milliseconds("READ_TIMEOUT_MS", 10_000);
    let policy = Policy {
        failures: number("FAILURES", 5),
        cool_down: milliseconds("COOL_DOWN_MS", 10_000),
        longest: milliseconds("COOL_DOWN_MAX_MS", 300_000),
        forget: milliseconds("FORGET_MS", 300_000),
    };
    println!(
        "Out after {} failures in a row, for {:?} at first and {:?} at most; forgotten after {:?}",
        policy.failures, policy.cool_down, policy.longest, policy.forget
    );

    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(|error| {
        eprintln!("cannot start: {error}");
        std::process::exit(2)
    });
    server.bootstrap();

    let fleet = Fleet {
        policy,
        backends: upstreams.into_iter().map(Backend::new).collect(),
        turn: 0,
    };
    let edge = Edge {
        fleet: Mutex::new(fleet),
        read_timeout,
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
    let Ok(text) = std::env::var(variable) else {
        return default;
    };
    match text.parse() {
        Ok(number @ 1..) => number,
        _ => {
            eprintln!(
                "{variable}: {text:?} is not a whole number above 0, as in {variable}={default}"
            );
            std::process::exit(2)
        }
    }
}
