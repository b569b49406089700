//! 3.1 Routes: the host first, then the longest prefix that ends where a segment of the path ends.

use std::net::SocketAddr;

use async_trait::async_trait;
use env_logger::Env;
use pingora::{
    Error,
    ErrorType::HTTPStatus,
    Result,
    http::{RequestHeader, ResponseHeader},
    prelude::HttpPeer,
    proxy::{ProxyHttp, Session, http_proxy_service},
    server::{Server, configuration::Opt},
};
use serde_json::json;

/// Host, prefix of the path, and which of the upstreams. The order of the lines means nothing.
const ROUTES: [(&str, &str, usize); 5] = [
    ("shop.example", "/api", 1),
    ("shop.example", "/api/v2", 2),
    ("shop.example", "/", 0),
    ("docs.example", "/guide", 2),
    ("[2001:db8::1]", "/", 1),
];

struct Edge {
    upstreams: Vec<SocketAddr>,
}

#[async_trait]
impl ProxyHttp for Edge {
    /// Which of the upstreams the request goes to.
    type CTX = usize;

    fn new_ctx(&self) -> usize {
        0
    }

    async fn request_filter(&self, session: &mut Session, upstream: &mut usize) -> Result<bool> {
        match route(session.req_header()) {
            Ok(found) => {
                *upstream = found;
                Ok(false)
            }
            Err(status) => {
                refuse(session, status).await?;
                Ok(true)
            }
        }
    }

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        upstream: &mut usize,
    ) -> Result<Box<HttpPeer>> {
        let address = self
            .upstreams
            .get(*upstream)
            .ok_or_else(|| Error::new(HTTPStatus(503)))?;
        Ok(Box::new(HttpPeer::new(*address, false, String::new())))
    }
}

/// Which of the upstreams a request goes to, or the status that refuses it.
fn route(request: &RequestHeader) -> Result<usize, u16> {
    // TODO 3.1: 400 for dot segments; then the host, then the longest prefix on a segment's border; else 404.
    let (host, path) = (host(request), request.uri.path());
    ROUTES
        .iter()
        .find(|(name, prefix, _)| *name == host && path.starts_with(prefix))
        .map(|(_, _, upstream)| *upstream)
        .ok_or(404)
    // END TODO
}

// TODO 3.1: what your decision needs.
// END TODO

/// The host that was asked for, as it stands in the request; empty where none does, as HTTP/1.0 allows.
fn host(request: &RequestHeader) -> &str {
    let host = request.headers.get("host").map(|host| host.to_str());
    // HTTP/2 names it in the URI. A target that contradicts Host is refused before any phase (pingora-core,
    // protocols/http/authority.rs).
    let authority = request
        .uri
        .authority()
        .map_or("", |authority| authority.as_str());
    host.and_then(|host| host.ok()).unwrap_or(authority)
}

/// Answers for the proxy itself, in JSON. The connection can be used again.
async fn refuse(session: &mut Session, status: u16) -> Result<()> {
    let error = match status {
        400 => "bad request",
        _ => "not found",
    };
    let body = json!({ "error": error, "status": status }).to_string() + "\n";
    let mut header = ResponseHeader::build(status, Some(2))?;
    header.insert_header("content-type", "application/json")?;
    header.insert_header("content-length", body.len())?;
    let head = session.req_header().method == "HEAD";
    session
        .write_response_header(Box::new(header), head)
        .await?;
    if !head {
        session.write_response_body(Some(body.into()), true).await?;
    }
    Ok(())
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
    println!("  curl -i -H 'Host: shop.example' http://{listen}/api/v2/orders");
    server.run_forever();
}
