//! 4.1 Round robin: the backends take turns, whoever asks.

use std::time::Duration;

use async_trait::async_trait;
use env_logger::Env;
use pingora::{
    Error,
    ErrorType::HTTPStatus,
    Result,
    prelude::HttpPeer,
    proxy::{ProxyHttp, Session, http_proxy_service},
    server::{
        Server,
        configuration::{Opt, ServerConf},
    },
};
use pingora_load_balancing::{Backend, LoadBalancer, selection::RoundRobin};

// TODO 4.1: the turn must be shared by all requests, so it must outlive each of them.
struct Edge {
    balancer: LoadBalancer<RoundRobin>,
}

impl Edge {
    fn new(upstreams: Vec<std::net::SocketAddr>) -> std::io::Result<Self> {
        let balancer = LoadBalancer::try_from_iter(upstreams)?;
        Ok(Self { balancer })
    }

    /// Whose turn it is. Round robin needs no key.
    fn choose(&self) -> Result<Backend> {
        self.balancer
            .select(b"", MAX_ITERATIONS)
            .ok_or_else(|| Error::explain(HTTPStatus(503), "no backend is there"))
    }
}
// END TODO

/// How far the search for a backend that is up may go. Backends that come up twice count twice.
const MAX_ITERATIONS: usize = 256;

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = ();

    fn new_ctx(&self) {}

    // TODO 4.1: send each request to the backend whose turn it is.
    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(peer(self.choose()?))
    }
    // END TODO
}

/// The way to a backend.
fn peer(backend: Backend) -> Box<HttpPeer> {
    let mut peer = HttpPeer::new(backend, false, String::new());
    peer.options.connection_timeout = Some(Duration::from_secs(3));
    peer.options.read_timeout = Some(Duration::from_secs(30));
    Box::new(peer)
}

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let edge = Edge::new(upstreams::from_env()).unwrap_or_else(|error| {
        eprintln!("cannot use these upstreams: {error}");
        std::process::exit(2)
    });

    // Requests are handled on four threads. Pingora's default is one.
    let conf = ServerConf {
        threads: 4,
        grace_period_seconds: Some(1),
        graceful_shutdown_timeout_seconds: Some(1),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(Opt::parse_args(), conf);
    server.bootstrap();

    let mut proxy = http_proxy_service(&server.configuration, edge);
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -s 'http://{listen}/[1-6]' | grep upstream");
    server.run_forever();
}
