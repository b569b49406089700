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
        let request = session.req_header();
        if request.uri.path() != "/healthz" {
            return Ok(false);
        }
        match request.method.as_str() {
            "GET" | "HEAD" => answer(session, 200, r#"{"status":"ok"}"#).await?,
            _ => answer(session, 405, r#"{"error":"method not allowed"}"#).await?,
        }
        Ok(true)
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
use bytes::Bytes;
use pingora::http::ResponseHeader;

/// Answers for the proxy itself, in JSON. No cache may keep it: it is true only now.
async fn answer(session: &mut Session, status: u16, body: &'static str) -> Result<()> {
    let body = Bytes::from_static(body.as_bytes());
    let mut header = ResponseHeader::build(status, Some(4))?;
    header.insert_header("content-type", "application/json")?;
    header.insert_header("cache-control", "no-store")?;
    if status == 405 {
        // RFC 9110, section 15.5.6: a 405 says what is allowed.
        header.insert_header("allow", "GET, HEAD")?;
    }
    // HEAD tells the length that GET would have, and sends no body (RFC 9110, section 9.3.2).
    header.insert_header("content-length", body.len())?;
    let head = session.req_header().method == "HEAD";
    session
        .write_response_header(Box::new(header), head)
        .await?;
    if !head {
        session.write_response_body(Some(body), true).await?;
    }
    Ok(())
}
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
