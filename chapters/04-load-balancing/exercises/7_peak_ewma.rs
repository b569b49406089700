//! 4.7 Power of two choices: draw two backends, and take the one that promises the shorter wait.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
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
use rand::seq::IndexedRandom;

/// How long a backend takes to answer.
struct Latency {
    /// In seconds, and when it was measured. None as long as nothing was.
    known: Mutex<Option<(f64, Instant)>>,
    decay: Duration,
}

impl Latency {
    /// An answer took so many seconds.
    fn measured(&self, seconds: f64) {
        let known = self.known.lock();
        let mut known = known.unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let (old, seen) = known.unwrap_or((seconds, now));
        let left = fading(now - seen, self.decay);
        let average = old * left + seconds * (1.0 - left);
        // TODO 4.7: one slow answer is a warning; the average hardly notices it.
        let latency = average;
        // END TODO
        *known = Some((latency, now));
    }

    /// What it is taken for now, in seconds.
    fn now(&self) -> Option<f64> {
        let known = self.known.lock();
        let known = *known.unwrap_or_else(PoisonError::into_inner);
        // TODO 4.7: what was measured long ago says less and less.
        known.map(|(seconds, _seen)| seconds)
        // END TODO
    }
}

/// What is left of an old value: all of it at first, about a third (1/e) after the time of decay.
fn fading(age: Duration, decay: Duration) -> f64 {
    (-age.as_secs_f64() / decay.as_secs_f64()).exp()
}

struct Backend {
    address: SocketAddr,
    /// How many requests run here now.
    running: AtomicUsize,
    latency: Latency,
}

impl Backend {
    /// How long a request would take here: the less the better.
    fn cost(&self) -> f64 {
        let running = self.running.load(Ordering::Relaxed) as f64;
        // TODO 4.7: a backend that was never measured is tried at once, and by one request only.
        self.latency.now().unwrap_or_default() * (running + 1.0)
        // END TODO
    }
}

/// A request that runs. It counts until this is dropped.
struct Running {
    backend: Arc<Backend>,
    started: Instant,
    answered: bool,
}

impl Running {
    fn at(backend: Arc<Backend>) -> Self {
        backend.running.fetch_add(1, Ordering::Relaxed);
        Self {
            backend,
            started: Instant::now(),
            answered: false,
        }
    }

    fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// The head of the answer is here. What follows takes as long as it is large and its client slow.
    fn answered(&mut self) {
        self.answered = true;
        self.backend.latency.measured(self.seconds());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.backend.running.fetch_sub(1, Ordering::Relaxed);
        // TODO 4.7: what does a request tell that ended without an answer?
        // END TODO
    }
}

/// How a backend is chosen.
enum Choice {
    RoundRobin(AtomicUsize),
    PowerOfTwo,
}

struct Edge {
    backends: Vec<Arc<Backend>>,
    choice: Choice,
    read_timeout: Duration,
}

impl Edge {
    fn choose(&self) -> Option<Arc<Backend>> {
        match &self.choice {
            Choice::RoundRobin(next) => {
                let turn = next.fetch_add(1, Ordering::Relaxed) % self.backends.len().max(1);
                self.backends.get(turn).cloned()
            }
            Choice::PowerOfTwo => {
                // TODO 4.7: two different ones.
                let one = self.backends.choose(&mut rand::rng())?;
                let other = self.backends.choose(&mut rand::rng())?;
                let two = [one, other].into_iter();
                // END TODO
                let cheaper = two.min_by(|a, b| a.cost().total_cmp(&b.cost()));
                cheaper.cloned()
            }
        }
    }
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = Option<Running>;

    fn new_ctx(&self) -> Option<Running> {
        None
    }

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        ctx: &mut Option<Running>,
    ) -> Result<Box<HttpPeer>> {
        // If this is a retry, the try before has ended: what it tells counts for this choice.
        *ctx = None;
        let backend = self.choose();
        let backend = backend.ok_or_else(|| Error::explain(HTTPStatus(503), "no backend"))?;
        let mut peer = HttpPeer::new(backend.address, false, String::new());
        peer.options.connection_timeout = Some(Duration::from_secs(3));
        peer.options.read_timeout = Some(self.read_timeout);
        *ctx = Some(Running::at(backend));
        Ok(Box::new(peer))
    }

    async fn upstream_response_filter(
        &self,
        _session: &mut Session,
        _response: &mut ResponseHeader,
        ctx: &mut Option<Running>,
    ) -> Result<()> {
        if let Some(running) = ctx {
            running.answered();
        }
        Ok(())
    }
}

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let decay = milliseconds("EWMA_DECAY_MS", 10_000);
    let backends = upstreams::from_env().into_iter().map(|address| {
        Arc::new(Backend {
            address,
            running: AtomicUsize::new(0),
            latency: Latency {
                known: Mutex::new(None),
                decay,
            },
        })
    });
    let edge = Edge {
        backends: backends.collect(),
        choice: choice(),
        read_timeout: milliseconds("READ_TIMEOUT_MS", 10_000),
    };

    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(|error| {
        eprintln!("cannot start: {error}");
        std::process::exit(2)
    });
    server.bootstrap();

    let mut proxy = http_proxy_service(&server.configuration, edge);
    proxy.threads = Some(2);
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -X PUT http://127.0.0.1:8083/slow/200");
    println!("  for i in 1 2 3 4 5 6 7 8 9; do curl -s http://{listen}/ | grep upstream; done");
    server.run_forever();
}

/// `LB`: p2c, or round-robin to compare with.
fn choice() -> Choice {
    match std::env::var("LB").as_deref() {
        Ok("p2c") | Err(std::env::VarError::NotPresent) => Choice::PowerOfTwo,
        Ok("round-robin") => Choice::RoundRobin(AtomicUsize::new(0)),
        other => {
            eprintln!("LB: {other:?} is neither p2c nor round-robin");
            std::process::exit(2)
        }
    }
}

/// A length of time from the environment.
fn milliseconds(variable: &str, default: u64) -> Duration {
    let Ok(text) = std::env::var(variable) else {
        return Duration::from_millis(default);
    };
    match text.parse() {
        Ok(milliseconds @ 1..) => Duration::from_millis(milliseconds),
        _ => {
            eprintln!(
                "{variable}: {text:?} is not a number of milliseconds above 0, as in {variable}={default}"
            );
            std::process::exit(2)
        }
    }
}
