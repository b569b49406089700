//! 4.6 Live: backends come and go while the proxy runs, by editing a file.

use std::{
    collections::{BTreeSet, HashMap},
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use env_logger::Env;
use pingora::{
    Error,
    ErrorType::{HTTPStatus, ReadError},
    Result,
    http::ResponseHeader,
    prelude::HttpPeer,
    proxy::{ProxyHttp, Session, http_proxy_service},
    server::{Server, configuration::Opt},
    services::background::background_service,
};
use pingora_load_balancing::{
    Backend, Backends, LoadBalancer, discovery::ServiceDiscovery, selection::RoundRobin,
};
use serde_json::json;

/// Finds the backends in a file.
struct BackendsFile {
    path: PathBuf,
    /// How often the balancer has asked.
    rounds: Arc<AtomicUsize>,
    // TODO 4.6: what must be remembered from one round to the next?
    found: tokio::sync::OnceCell<BTreeSet<Backend>>,
    // END TODO
}

impl BackendsFile {
    fn new(path: PathBuf, rounds: Arc<AtomicUsize>) -> Self {
        Self {
            path,
            rounds,
            // TODO 4.6: and what is it at the beginning?
            found: tokio::sync::OnceCell::new(),
            // END TODO
        }
    }

    async fn find(&self) -> Result<BTreeSet<Backend>> {
        // TODO 4.6: the backends as the file names them now. If it cannot be used, say so once, and keep the last ones.
        let found = self.found.get_or_try_init(async || {
            let text = tokio::fs::read_to_string(&self.path).await;
            let text = text.map_err(|error| Error::explain(ReadError, error.to_string()))?;
            parse(&text).map_err(|what| Error::explain(ReadError, what))
        });
        found.await.cloned()
        // END TODO
    }
}

#[async_trait]
impl ServiceDiscovery for BackendsFile {
    async fn discover(&self) -> Result<(BTreeSet<Backend>, HashMap<u64, bool>)> {
        self.rounds.fetch_add(1, Ordering::Relaxed);
        // The map could switch single backends off.
        Ok((self.find().await?, HashMap::new()))
    }
}

/// The backends that a text names, or what is wrong with it.
///
/// Each line is an address and a port, and a weight if that is not 1. Blank lines and `# comments` say nothing, and a
/// line that stands twice counts once.
fn parse(text: &str) -> Result<BTreeSet<Backend>, String> {
    let mut backends = BTreeSet::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if !line.is_empty() {
            let backend = backend(line)
                .ok_or_else(|| format!("line {number}: {line:?} is not like 127.0.0.1:8081 2"))?;
            backends.insert(backend);
        }
    }
    let addresses = BTreeSet::from_iter(backends.iter().map(|backend| &backend.addr));
    if addresses.len() < backends.len() {
        Err("an address stands twice, with two weights".to_owned())
    } else if backends.is_empty() {
        Err("no backend".to_owned())
    } else if !text.ends_with('\n') {
        // Half of 127.0.0.1:8081 is 127.0.0.1:80, which looks well.
        Err("the last line has no end: it may be half written".to_owned())
    } else {
        Ok(backends)
    }
}

/// `127.0.0.1:8081` or `127.0.0.1:8081 2`
fn backend(line: &str) -> Option<Backend> {
    let mut words = line.split_whitespace();
    let address: SocketAddr = words.next()?.parse().ok()?;
    let weight = words.next().unwrap_or("1").parse().ok()?;
    let complete = words.next().is_none() && (1..=1000).contains(&weight);
    complete.then(|| Backend::new_with_weight(&address.to_string(), weight).ok())?
}

struct Edge {
    balancer: Arc<LoadBalancer<RoundRobin>>,
    rounds: Arc<AtomicUsize>,
}

impl Edge {
    /// `{"backends":["127.0.0.1:8081"],"rounds":7}`
    async fn status(&self, session: &mut Session) -> Result<()> {
        let backends = self.balancer.backends().get_backend();
        let addresses = backends.iter().map(|backend| backend.addr.to_string());
        let addresses = Vec::from_iter(addresses);
        let rounds = self.rounds.load(Ordering::Relaxed);
        let body = json!({ "backends": addresses, "rounds": rounds }).to_string() + "\n";
        let mut header = ResponseHeader::build(200, Some(3))?;
        header.insert_header("content-type", "application/json")?;
        header.insert_header("content-length", body.len())?;
        header.insert_header("cache-control", "no-store")?;
        session
            .write_response_header(Box::new(header), false)
            .await?;
        let body = Some(Bytes::from(body));
        session.write_response_body(body, true).await
    }
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn request_filter(&self, session: &mut Session, _ctx: &mut ()) -> Result<bool> {
        let request = session.req_header();
        if request.method != "GET" || request.uri.path() != "/status" {
            return Ok(false);
        }
        self.status(session).await?;
        Ok(true)
    }

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        let backend = self.balancer.select(b"", 256);
        let backend = backend.ok_or_else(|| Error::explain(HTTPStatus(503), "no backend"))?;
        let mut peer = HttpPeer::new(backend, false, String::new());
        peer.options.connection_timeout = Some(Duration::from_secs(3));
        peer.options.read_timeout = Some(Duration::from_secs(10));
        Ok(Box::new(peer))
    }
}

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    // The file decides; this starts the echo servers that it may name.
    upstreams::from_env();
    let path = std::env::var_os("BACKENDS_FILE").unwrap_or_else(|| "backends.txt".into());
    let path = PathBuf::from(path);
    println!("Backends in {}, one a line", path.display());

    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(|error| {
        eprintln!("cannot start: {error}");
        std::process::exit(2)
    });
    server.bootstrap();

    let rounds = Arc::new(AtomicUsize::new(0));
    let discovery = BackendsFile::new(path, Arc::clone(&rounds));
    let mut balancer = LoadBalancer::from_backends(Backends::new(Box::new(discovery)));
    balancer.update_frequency = Some(poll_interval());
    let balancer = background_service("backends", balancer);
    let edge = Edge {
        balancer: balancer.task(),
        rounds,
    };
    let mut proxy = http_proxy_service(&server.configuration, edge);
    proxy.threads = Some(2);
    proxy.add_tcp(&listen);
    // The port opens when the first round is over.
    let balancer = server.add_service(balancer);
    server.add_service(proxy).add_dependency(balancer);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -s http://{listen}/status");
    server.run_forever();
}

/// `POLL_MS`, how often the file is read.
fn poll_interval() -> Duration {
    let text = std::env::var("POLL_MS").unwrap_or_else(|_| "1000".to_owned());
    match text.parse() {
        Ok(milliseconds @ 1..) => Duration::from_millis(milliseconds),
        _ => {
            eprintln!(
                "POLL_MS: {text:?} is not a number of milliseconds above 0, as in POLL_MS=1000"
            );
            std::process::exit(2)
        }
    }
}
