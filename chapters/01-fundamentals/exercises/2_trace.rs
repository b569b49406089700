//! 1.2 Trace the life of a request.

use std::net::SocketAddr;

use async_trait::async_trait;
use env_logger::Env;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora_core::{
    Error,
    ErrorType::HTTPStatus,
    Result,
    protocols::{Digest, http::ServerSession},
    server::{Server, configuration::Opt},
    upstreams::peer::HttpPeer,
};
use pingora_proxy::{FailToProxy, ProxyHttp, Session, http_proxy_service};

// TODO 1.2: where does a trace live, so that each request has its own?
use std::sync::Mutex;

type Trace = ();

struct Edge {
    upstreams: Vec<SocketAddr>,
    trace: Mutex<Vec<&'static str>>,
}

impl Edge {
    fn new(upstreams: Vec<SocketAddr>) -> Self {
        let trace = Mutex::default();
        Self { upstreams, trace }
    }

    fn enter(&self, _trace: &mut Trace, phase: &'static str) {
        if let Ok(mut trace) = self.trace.lock() {
            trace.push(phase);
        }
    }

    fn told(&self, _trace: &Trace) -> String {
        self.trace
            .lock()
            .map_or_else(|_| String::new(), |trace| trace.join(", "))
    }
}
// END TODO

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = Trace;

    fn new_ctx(&self) -> Trace {
        Trace::default()
    }

    async fn request_filter(&self, _session: &mut Session, trace: &mut Trace) -> Result<bool> {
        self.enter(trace, "request_filter");
        Ok(false)
    }

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        trace: &mut Trace,
    ) -> Result<Box<HttpPeer>> {
        self.enter(trace, "upstream_peer");
        let address = self
            .upstreams
            .first()
            .ok_or_else(|| Error::new(HTTPStatus(503)))?;
        Ok(Box::new(HttpPeer::new(*address, false, String::new())))
    }

    async fn connected_to_upstream(
        &self,
        _session: &mut Session,
        _reused: bool,
        _peer: &HttpPeer,
        _fd: std::os::unix::io::RawFd,
        _digest: Option<&Digest>,
        trace: &mut Trace,
    ) -> Result<()> {
        self.enter(trace, "connected_to_upstream");
        Ok(())
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        _upstream_request: &mut RequestHeader,
        trace: &mut Trace,
    ) -> Result<()> {
        self.enter(trace, "upstream_request_filter");
        Ok(())
    }

    async fn response_filter(
        &self,
        _session: &mut Session,
        response: &mut ResponseHeader,
        trace: &mut Trace,
    ) -> Result<()> {
        self.enter(trace, "response_filter");
        response.insert_header("x-trace", self.told(trace))
    }

    // TODO 1.2: and when no connection comes about? Note both phases of failing.
    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        _error: &Error,
        trace: &mut Trace,
    ) -> FailToProxy {
        if let Err(error) = bad_gateway(session, self.told(trace)).await {
            log::warn!("the client did not take the answer: {error}");
        }
        FailToProxy {
            error_code: 502,
            can_reuse_downstream: false,
        }
    }
    // END TODO
}

/// Answers 502 with the trace. Does nothing when an answer has begun already.
async fn bad_gateway(session: &mut Session, trace: String) -> Result<()> {
    let mut header = ServerSession::generate_error(502);
    header.insert_header("x-trace", trace)?;
    session
        .write_error_response(header, Default::default())
        .await
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

    let mut proxy = http_proxy_service(&server.configuration, Edge::new(upstreams));
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -i http://{listen}/");
    server.run_forever();
}
