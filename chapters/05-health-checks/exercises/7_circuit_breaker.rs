//! 5.7 Circuit breaker: what fails again and again is left alone for a while, and then asked once.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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
    upstreams: Vec<SocketAddr>,
    breaker: Arc<Breaker>,
}

/// What is known of one request.
#[derive(Default)]
struct Ctx {
    /// Held until the outcome is known.
    pass: Option<Pass>,
}

/// What a request says of its upstream.
enum Verdict {
    Works,
    Fails(String),
    /// It is not the upstream's fault, or nobody knows.
    Nothing,
}

struct Breaker {
    /// So many failures in a row open it.
    failures: u32,
    /// So long it stays open before a probe may pass.
    open: Duration,
    circuit: Mutex<Circuit>,
}

struct Circuit {
    state: State,
    since: Instant,
    why: String,
    /// In a row, while it is closed.
    failures: u32,
    /// Whether a probe is under way, while it is half open.
    probing: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    /// Everything passes.
    Closed,
    /// Nothing passes.
    Open,
    /// One request at a time passes, as a probe: if it works all is well.
    HalfOpen,
}

/// A request that may be sent. If it is dropped, nothing will be heard of it any more.
struct Pass {
    breaker: Arc<Breaker>,
    probe: bool,
}

// TODO 5.7: it opens, and /status says so. But who passes, and what does a probe prove?
impl Breaker {
    /// Lets a request pass, or says how long it may take until one does.
    fn pass(self: &Arc<Self>, now: Instant) -> Result<Pass, Duration> {
        let _circuit = self.circuit(now);
        Ok(Pass {
            breaker: Arc::clone(self),
            probe: false,
        })
    }
}

impl Pass {
    /// What came of it.
    fn report(self, verdict: Verdict, now: Instant) {
        let mut circuit = self.breaker.circuit(now);
        match verdict {
            Verdict::Fails(why) => {
                circuit.failures += 1;
                if circuit.failures >= self.breaker.failures {
                    circuit.change(State::Open, why, now);
                }
            }
            Verdict::Works | Verdict::Nothing => circuit.failures = 0,
        }
    }
}
// END TODO

impl Breaker {
    fn new(failures: u32, open: Duration) -> Arc<Self> {
        Arc::new(Self {
            failures,
            open,
            circuit: Mutex::new(Circuit {
                state: State::Closed,
                since: Instant::now(),
                why: "started".to_owned(),
                failures: 0,
                probing: false,
            }),
        })
    }

    /// As it is now: an open one becomes half open by time alone, so whoever looks makes the change.
    fn circuit(&self, now: Instant) -> MutexGuard<'_, Circuit> {
        let mut circuit = self.circuit.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = now.saturating_duration_since(circuit.since);
        if circuit.state == State::Open && waited >= self.open {
            circuit.change(State::HalfOpen, format!("open for {:?}", self.open), now);
        }
        circuit
    }

    fn status(&self, now: Instant) -> Value {
        let circuit = self.circuit(now);
        json!({
            "state": circuit.state.name(),
            "since_ms": now.saturating_duration_since(circuit.since).as_millis(),
            "why": circuit.why,
            "failures": circuit.failures,
            "probing": circuit.probing,
        })
    }
}

impl Circuit {
    /// Each change is logged once, here.
    fn change(&mut self, state: State, why: String, now: Instant) {
        log::warn!("the breaker is {}: {why}", state.name());
        *self = Self {
            state,
            since: now,
            why,
            failures: 0,
            probing: false,
        };
    }
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        }
    }
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

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = Ctx;

    fn new_ctx(&self) -> Ctx {
        Ctx::default()
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Ctx) -> Result<bool> {
        let now = Instant::now();
        if session.req_header().uri.path() == "/status" {
            answer(session, 200, None, self.breaker.status(now)).await?;
            return Ok(true);
        }
        match self.breaker.pass(now) {
            Ok(pass) => {
                ctx.pass = Some(pass);
                Ok(false)
            }
            Err(wait) => {
                // In whole seconds (RFC 9110, section 10.2.3), and 0 would say "at once".
                let seconds = wait.as_millis().div_ceil(1000).max(1);
                let body = json!({ "error": "service unavailable", "status": 503 });
                answer(session, 503, Some(seconds), body).await?;
                Ok(true)
            }
        }
    }

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut Ctx) -> Result<Box<HttpPeer>> {
        let upstream = self
            .upstreams
            .first()
            .ok_or_else(|| Error::new(HTTPStatus(503)))?;
        let mut peer = HttpPeer::new(*upstream, false, String::new());
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
        let request = session.request_summary();
        let probe = ctx.pass.as_ref().is_some_and(|pass| pass.probe);
        let error_text = error.map_or(String::new(), |error| format!(" error={error}"));
        if let Some(pass) = ctx.pass.take() {
            pass.report(verdict(error, status), Instant::now());
        }
        log::info!("{request} {status} probe={probe}{error_text}");
    }

    /// Pingora would write a line of its own for an error; `logging` has it.
    fn suppress_error_log(&self, _session: &Session, _ctx: &Ctx, _error: &Error) -> bool {
        true
    }
}

/// Answers in JSON.
async fn answer(
    session: &mut Session,
    status: u16,
    retry_after: Option<u128>,
    body: Value,
) -> Result<()> {
    let body = body.to_string() + "\n";
    let mut header = ResponseHeader::build(status, Some(4))?;
    header.insert_header("content-type", "application/json")?;
    header.insert_header("cache-control", "no-store")?;
    header.set_content_length(body.len())?;
    if let Some(seconds) = retry_after {
        header.insert_header("retry-after", seconds.to_string())?;
    }
    let head = session.req_header().method == "HEAD";
    session
        .write_response_header(Box::new(header), head)
        .await?;
    if !head {
        session
            .write_response_body(Some(Bytes::from(body)), true)
            .await?;
    }
    Ok(())
}

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let upstreams = upstreams::from_env();
    let failures = number("FAILURES", 5);
    let open = Duration::from_millis(number("OPEN_MS", 10_000).into());
    println!("Open after {failures} failures in a row, for {open:?}");

    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(|error| {
        eprintln!("cannot start: {error}");
        std::process::exit(2)
    });
    server.bootstrap();

    let edge = Edge {
        upstreams,
        breaker: Breaker::new(failures, open),
    };
    let mut proxy = http_proxy_service(&server.configuration, edge);
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -s http://{listen}/status");
    println!("  curl -i http://{listen}/close");
    server.run_forever();
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
