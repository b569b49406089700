//! 1.1 Answer `/ping` before the upstream.

use std::net::SocketAddr;

use async_trait::async_trait;
use bytes::Bytes;
use env_logger::Env;
use pingora::http::ResponseHeader;
use pingora_core::{
    Error,
    ErrorType::HTTPStatus,
    Result,
    server::{Server, configuration::Opt},
    upstreams::peer::HttpPeer,
};
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

struct Edge {
    upstreams: Vec<SocketAddr>,
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn request_filter(&self, session: &mut Session, _ctx: &mut ()) -> Result<bool> {
        // TODO 1.1: answer /ping with 200 and the text "pong", and keep the connection for the next request.
        if session.req_header().uri.path() == "/ping" {
            let header = ResponseHeader::build(200, None)?;
            session
                .write_response_header(Box::new(header), false)
                .await?;
            session
                .write_response_body(Some(Bytes::from_static(b"pong")), false)
                .await?;
        }
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
    println!("  curl -i http://{listen}/ping");
    server.run_forever();
}
