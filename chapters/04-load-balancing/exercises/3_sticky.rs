//! 4.3 Sticky: a client comes to the same backend each time, and stays there when others come and go.

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
use pingora_load_balancing::{LoadBalancer, selection};

/// Who asks, if the client says it.
const USER: &str = "x-user";

// TODO 4.3: a selection that keeps nearly all keys where they are when a backend comes or goes.
/// The hash of the key says which backend it is.
type Selection = selection::FNVHash;
// END TODO

struct Edge {
    balancer: LoadBalancer<Selection>,
}

// TODO 4.3: the same bytes for all requests that belong together, whatever connection they come by.
/// The user, or else the client's address.
fn key(session: &Session) -> Vec<u8> {
    let user = session.req_header().headers.get(USER);
    if let Some(user) = user.and_then(|user| user.to_str().ok()) {
        return user.as_bytes().to_vec();
    }
    let client = session.client_addr();
    client.map_or_else(Vec::new, |client| client.to_string().into_bytes())
}
// END TODO

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        let backend = self
            .balancer
            .select(&key(session), 256)
            .ok_or_else(|| Error::explain(HTTPStatus(503), "no backend is there"))?;
        let mut peer = HttpPeer::new(backend, false, String::new());
        peer.options.connection_timeout = Some(Duration::from_secs(3));
        peer.options.read_timeout = Some(Duration::from_secs(30));
        Ok(Box::new(peer))
    }
}

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let upstreams = upstreams::from_env();
    let balancer = LoadBalancer::try_from_iter(&upstreams).unwrap_or_else(|error| {
        eprintln!("cannot use these upstreams: {error}");
        std::process::exit(2)
    });

    let conf = ServerConf {
        threads: 2,
        grace_period_seconds: Some(1),
        graceful_shutdown_timeout_seconds: Some(1),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(Opt::parse_args(), conf);
    server.bootstrap();

    let mut proxy = http_proxy_service(&server.configuration, Edge { balancer });
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -s -H 'X-User: ada' http://{listen}/ | grep upstream");
    server.run_forever();
}
