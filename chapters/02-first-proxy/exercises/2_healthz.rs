//! 2.2 Health of the proxy itself.

use std::net::SocketAddr;

use async_trait::async_trait;
use env_logger::Env;
use pingora::{
    Error,
    ErrorType::HTTPStatus,
    Result,
    prelude::HttpPeer,
    proxy::{ProxyHttp, Session, http_proxy_service},
    server::{Server, configuration::Opt},
};

struct Edge {
    upstreams: Vec<SocketAddr>,
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn request_filter(&self, session: &mut Session, _ctx: &mut ()) -> Result<bool> {
        // TODO 2.2: say that the proxy is alive, whatever the upstreams do.
        log::info!("{} goes to the upstream", session.req_header().uri.path());
        Ok(false)
        // END TODO
    }

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        let address = self
            .upstreams
            .first()
            .ok_or_else(|| Error::new(HTTPStatus(503)))?;
        Ok(Box::new(HttpPeer::new(*address, false, String::new())))
    }
}

// TODO 2.2: what your answer needs.
// END TODO

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let upstreams = upstreams::from_env();

    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(|error| {
        eprintln!("cannot start: {error}");
        std::process::exit(2)
    });
    server.bootstrap();

    let mut proxy = http_proxy_service(&server.configuration, Edge { upstreams });
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -i http://{listen}/healthz");
    server.run_forever();
}
