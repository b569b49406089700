//! 3.4 Limit: a body that is too long is refused, and no upstream takes a part of it for the whole.

use std::net::SocketAddr;

use async_trait::async_trait;
use bytes::Bytes;
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
    /// The longest body of a request, in bytes.
    limit: u64,
}

#[async_trait]
impl ProxyHttp for Edge {
    /// How many bytes of the body have passed to the upstream.
    type CTX = u64;

    fn new_ctx(&self) -> u64 {
        0
    }

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        _passed: &mut u64,
    ) -> Result<Box<HttpPeer>> {
        let address = self
            .upstreams
            .first()
            .ok_or_else(|| Error::new(HTTPStatus(503)))?;
        Ok(Box::new(HttpPeer::new(*address, false, String::new())))
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        _end_of_stream: bool,
        passed: &mut u64,
    ) -> Result<()> {
        *passed += body.as_ref().map_or(0, |piece| piece.len() as u64);
        // TODO 3.4: stop an upload that grows above the limit, so that no upstream takes what it has for the whole.
        if *passed > self.limit {
            // An error drops the upstream's connection before the last chunk. A body set to None would end the upload
            // in good order instead (pingora-proxy, proxy_h1.rs, `send_body_to_pipe`).
            return Err(self.too_large());
        }
        // END TODO
        Ok(())
    }

    // TODO 3.4: refuse a declared length above the limit, and count anew when the body is sent anew.
    async fn request_filter(&self, session: &mut Session, _passed: &mut u64) -> Result<bool> {
        match declared_length(session) {
            // An error, so that this is answered as the other one is: with 413, and a closed connection.
            Some(length) if length > self.limit => Err(self.too_large()),
            _ => Ok(false),
        }
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        _upstream_request: &mut RequestHeader,
        passed: &mut u64,
    ) -> Result<()> {
        // It runs once for each try, before the body passes (again from its start).
        *passed = 0;
        Ok(())
    }
    // END TODO
}

// TODO 3.4: what your answer needs.
use pingora::http::RequestHeader;

impl Edge {
    /// The error that Pingora's fail_to_proxy answers with 413 (RFC 9110, section 15.5.14).
    fn too_large(&self) -> Box<Error> {
        let context = format!("the body has more than {} bytes", self.limit);
        Error::explain(HTTPStatus(413), context)
    }
}

/// What Content-Length says, if there is one. Pingora has refused several that differ, and what is no number.
fn declared_length(session: &Session) -> Option<u64> {
    let length = session.req_header().headers.get("content-length")?;
    length.to_str().ok()?.split(',').next()?.trim().parse().ok()
}
// END TODO

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let upstreams = upstreams::from_env();
    let limit = bytes("MAX_BODY_BYTES", 1 << 20);

    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(|error| {
        eprintln!("cannot start: {error}");
        std::process::exit(2)
    });
    server.bootstrap();

    let mut proxy = http_proxy_service(&server.configuration, Edge { upstreams, limit });
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    println!(
        "Listening on http://{listen}. A body may have {limit} bytes. In another terminal, try:"
    );
    println!("  head -c {limit} /dev/zero | curl -i --data-binary @- http://{listen}/upload");
    server.run_forever();
}

/// A number of bytes from the environment.
fn bytes(variable: &str, default: u64) -> u64 {
    let Ok(text) = std::env::var(variable) else {
        return default;
    };
    text.parse().unwrap_or_else(|_| {
        eprintln!("{variable}: {text:?} is not a number of bytes, as in {variable}={default}");
        std::process::exit(2)
    })
}
