//! 4.2 Smooth weights: everybody gets a share, and nobody gets it all at once.

use std::{
    collections::{BTreeSet, HashMap},
    net::SocketAddr,
    sync::Arc,
};

use arc_swap::ArcSwap;
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
    services::background::background_service,
};
use pingora_load_balancing::{
    Backend, Backends, LoadBalancer,
    discovery::ServiceDiscovery,
    selection::{BackendIter, BackendSelection},
};
use tokio::sync::Mutex;

/// A selection of our own. The load balancer builds a new one whenever a backend or a weight changes.
struct Smooth {
    /// In the order of their addresses.
    backends: Vec<Backend>,
    // TODO 4.2: what must be remembered from one choice to the next?
    turn: std::sync::atomic::AtomicUsize,
    // END TODO
}

impl Smooth {
    fn new(backends: Vec<Backend>) -> Self {
        Self {
            // TODO 4.2: and what is it at the beginning?
            turn: std::sync::atomic::AtomicUsize::new(0),
            // END TODO
            backends,
        }
    }

    /// The index of the backend whose turn it is, if anybody has a weight.
    fn choose(&self) -> Option<usize> {
        // TODO 4.2: the same shares, spread over the cycle.
        // As Pingora does it (selection/weighted.rs): each stands in the line as many times as it has weight.
        let backends = self.backends.iter().enumerate();
        let line = backends.flat_map(|(index, backend)| std::iter::repeat_n(index, backend.weight));
        let line = Vec::from_iter(line);
        let turn = self.turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        line.get(turn % line.len().max(1)).copied()
        // END TODO
    }
}

impl BackendSelection for Smooth {
    type Iter = Choices;
    type Config = ();

    fn build(backends: &BTreeSet<Backend>) -> Self {
        Self::new(backends.iter().cloned().collect())
    }

    fn iter(self: &Arc<Self>, _key: &[u8]) -> Choices {
        Choices {
            selection: Arc::clone(self),
            asked: false,
        }
    }
}

/// What one request may choose from. There is one choice: with health checks, others would follow.
struct Choices {
    selection: Arc<Smooth>,
    asked: bool,
}

impl BackendIter for Choices {
    fn next(&mut self) -> Option<&Backend> {
        if std::mem::replace(&mut self.asked, true) {
            return None;
        }
        let index = self.selection.choose()?;
        self.selection.backends.get(index)
    }
}

/// The upstreams, with the weights that were set last.
struct Weighted {
    upstreams: Vec<SocketAddr>,
    weights: Arc<ArcSwap<Vec<usize>>>,
}

#[async_trait]
impl ServiceDiscovery for Weighted {
    async fn discover(&self) -> Result<(BTreeSet<Backend>, HashMap<u64, bool>)> {
        let weights = self.weights.load();
        let backends = self.upstreams.iter().zip(weights.iter());
        let backends = backends
            .map(|(address, weight)| Backend::new_with_weight(&address.to_string(), *weight));
        Ok((backends.collect::<Result<_>>()?, HashMap::new()))
    }
}

struct Edge {
    balancer: Arc<LoadBalancer<Smooth>>,
    weights: Arc<ArcSwap<Vec<usize>>>,
    /// Two updates must not overlap (pingora-load-balancing, lib.rs, `Backends::update`).
    updating: Mutex<()>,
}

impl Edge {
    /// Changes the weights, and has the balancer ask for them.
    async fn set_weights(&self, list: &str) -> Result<()> {
        let _updating = self.updating.lock().await;
        let weights = weights(list, self.weights.load().len())
            .map_err(|what| Error::explain(HTTPStatus(400), what))?;
        self.weights.store(Arc::new(weights));
        self.balancer.update().await
    }
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn request_filter(&self, session: &mut Session, _ctx: &mut ()) -> Result<bool> {
        let request = session.req_header();
        let list = request.uri.path().strip_prefix("/weights/");
        let Some(list) = list.filter(|_| request.method == "PUT") else {
            return Ok(false);
        };
        self.set_weights(list).await?;
        let header = ResponseHeader::build(204, None)?;
        session
            .write_response_header(Box::new(header), true)
            .await?;
        Ok(true)
    }

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        let backend = self.balancer.select(b"", 256);
        let backend = backend.ok_or_else(|| Error::explain(HTTPStatus(503), "no backend"))?;
        Ok(Box::new(HttpPeer::new(backend, false, String::new())))
    }
}

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let upstreams = upstreams::from_env();
    let weights = Arc::new(ArcSwap::from_pointee(weights_from_env(upstreams.len())));

    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(|error| {
        eprintln!("cannot start: {error}");
        std::process::exit(2)
    });
    server.bootstrap();

    let discovery = Weighted {
        upstreams,
        weights: Arc::clone(&weights),
    };
    let balancer = LoadBalancer::from_backends(Backends::new(Box::new(discovery)));
    // Without a frequency it asks for the backends once, at start.
    let balancer = background_service("backends", balancer);
    let edge = Edge {
        balancer: balancer.task(),
        weights,
        updating: Mutex::new(()),
    };
    let mut proxy = http_proxy_service(&server.configuration, edge);
    proxy.threads = Some(2);
    proxy.add_tcp(&listen);
    // The port opens when the backends are known.
    let balancer = server.add_service(balancer);
    server.add_service(proxy).add_dependency(balancer);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  for i in 1 2 3 4 5 6 7; do curl -s http://{listen}/ | grep upstream; done");
    println!("  curl -X PUT http://{listen}/weights/1,1,5");
    server.run_forever();
}

/// `WEIGHTS`, one for each upstream in their order; by default 5 for the first and 1 for the others.
fn weights_from_env(upstreams: usize) -> Vec<usize> {
    let Ok(list) = std::env::var("WEIGHTS") else {
        let first = std::iter::once(5);
        return first.chain(std::iter::repeat(1)).take(upstreams).collect();
    };
    weights(&list, upstreams).unwrap_or_else(|what| {
        eprintln!("WEIGHTS: {what}");
        std::process::exit(2)
    })
}

/// Whole numbers with commas between them.
fn weights(list: &str, upstreams: usize) -> Result<Vec<usize>, String> {
    let weights: Option<Vec<usize>> = list.split(',').map(weight).collect();
    let weights = weights.filter(|weights| weights.len() == upstreams);
    weights.ok_or_else(|| {
        format!("{list:?} is not one weight from 0 to 1000 for each of {upstreams} upstreams, as in 5,1,1")
    })
}

fn weight(text: &str) -> Option<usize> {
    text.trim().parse().ok().filter(|weight| *weight <= 1000)
}
