//! 2.1 Forward: your first proxy.

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

    // TODO 2.1: say where the request goes.
    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        let address = self
            .upstreams
            .first()
            .ok_or_else(|| Error::new(HTTPStatus(503)))?;
        // Plain HTTP, so the name that TLS would ask for (SNI) stays empty.
        Ok(Box::new(HttpPeer::new(*address, false, String::new())))
    }
    // END TODO
}

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
    println!("  curl -i 'http://{listen}/hello?name=world'");
    server.run_forever();
}
