//! Chapter 01: a proxy that shows the life of a request.
//!
//! Each phase that a request passes is noted, told to the client in `x-phases`, and logged when the request is over.

mod life;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use env_logger::Env;
use log::info;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora_core::{
    Error, ErrorSource,
    ErrorType::HTTPStatus,
    Result,
    protocols::{Digest, http::ServerSession},
    server::{Server, configuration::Opt},
    upstreams::peer::HttpPeer,
};
use pingora_proxy::{FailToProxy, ProxyHttp, Session, http_proxy_service};

use life::Life;

/// The proxy: one for all requests, so what it holds is shared between threads.
struct Tracer {
    upstreams: Vec<SocketAddr>,
}

// The methods stand in the order in which Pingora calls them.
#[async_trait]
impl ProxyHttp for Tracer {
    type CTX = Life;

    fn new_ctx(&self) -> Life {
        Life::new()
    }

    async fn early_request_filter(&self, _session: &mut Session, life: &mut Life) -> Result<()> {
        life.enter("early_request_filter");
        Ok(())
    }

    /// `Ok(true)` would mean: answered here, the rest is skipped but for `logging`.
    async fn request_filter(&self, _session: &mut Session, life: &mut Life) -> Result<bool> {
        life.enter("request_filter");
        Ok(false)
    }

    /// The one phase that every proxy must write: where does this request go?
    async fn upstream_peer(
        &self,
        _session: &mut Session,
        life: &mut Life,
    ) -> Result<Box<HttpPeer>> {
        life.enter("upstream_peer");
        // One is enough to see a request's life; chapter 04 spreads the load.
        let address = self
            .upstreams
            .first()
            .ok_or_else(|| Error::new(HTTPStatus(503)))?;
        let mut peer = HttpPeer::new(*address, false, String::new());
        // Without these Pingora waits without end. Chapter 02 is about what the client is told then.
        peer.options.connection_timeout = Some(Duration::from_secs(3));
        peer.options.read_timeout = Some(Duration::from_secs(30));
        peer.options.write_timeout = Some(Duration::from_secs(30));
        Ok(Box::new(peer))
    }

    /// A connection is there, new or from the pool. Nothing was sent yet.
    async fn connected_to_upstream(
        &self,
        _session: &mut Session,
        reused: bool,
        _peer: &HttpPeer,
        _fd: std::os::unix::io::RawFd,
        _digest: Option<&Digest>,
        life: &mut Life,
    ) -> Result<()> {
        life.enter(if reused {
            "connected_to_upstream (reused)"
        } else {
            "connected_to_upstream"
        });
        Ok(())
    }

    /// The other way out of connecting: only here may Pingora be asked to try again.
    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        life: &mut Life,
        error: Box<Error>,
    ) -> Box<Error> {
        life.enter("fail_to_connect");
        error
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        _upstream_request: &mut RequestHeader,
        life: &mut Life,
    ) -> Result<()> {
        life.enter("upstream_request_filter");
        Ok(())
    }

    /// Once per piece of the request body, so it may run again while the response is already coming.
    async fn request_body_filter(
        &self,
        _session: &mut Session,
        _body: &mut Option<Bytes>,
        _end_of_stream: bool,
        life: &mut Life,
    ) -> Result<()> {
        life.enter("request_body_filter");
        Ok(())
    }

    /// Before a cache would store the response.
    async fn upstream_response_filter(
        &self,
        _session: &mut Session,
        _upstream_response: &mut ResponseHeader,
        life: &mut Life,
    ) -> Result<()> {
        life.enter("upstream_response_filter");
        Ok(())
    }

    /// The last moment for the response header, so `x-phases` ends here. What follows is in the log.
    async fn response_filter(
        &self,
        _session: &mut Session,
        response: &mut ResponseHeader,
        life: &mut Life,
    ) -> Result<()> {
        life.enter("response_filter");
        response.insert_header("x-phases", life.names())
    }

    fn upstream_response_body_filter(
        &self,
        _session: &mut Session,
        _body: &mut Option<Bytes>,
        _end_of_stream: bool,
        life: &mut Life,
    ) -> Result<Option<Duration>> {
        life.enter("upstream_response_body_filter");
        Ok(None)
    }

    fn response_body_filter(
        &self,
        _session: &mut Session,
        _body: &mut Option<Bytes>,
        _end_of_stream: bool,
        life: &mut Life,
    ) -> Result<Option<Duration>> {
        life.enter("response_body_filter");
        Ok(None)
    }

    /// Something failed and the client still waits: this is where an error becomes an answer.
    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        life: &mut Life,
    ) -> FailToProxy {
        life.enter("fail_to_proxy");
        let status = match error.esource() {
            ErrorSource::Upstream => 502,
            // The client is gone or sent nonsense half way; there may be nobody to answer.
            ErrorSource::Downstream => 400,
            ErrorSource::Internal | ErrorSource::Unset => 500,
        };
        if let Err(error) = answer(session, status, life).await {
            info!("the client did not take the answer: {error}");
        }
        FailToProxy {
            error_code: status,
            can_reuse_downstream: false,
        }
    }

    /// Always the last phase, whatever happened before.
    async fn logging(&self, session: &mut Session, error: Option<&Error>, life: &mut Life) {
        life.enter("logging");
        let status = session
            .response_written()
            .map_or(0, |response| response.status.as_u16());
        let outcome = error.map_or("answered", |_| "failed");
        info!("{} {outcome} {status}{life}", session.request_summary());
    }
}

/// Answers an error with the phases that led to it. Does nothing when an answer has begun already.
async fn answer(session: &mut Session, status: u16, life: &Life) -> Result<()> {
    let body = format!("{status} from the proxy, after: {}\n", life.names());
    let mut header = ServerSession::generate_error(status);
    header.insert_header("content-type", "text/plain; charset=utf-8")?;
    header.insert_header("x-phases", life.names())?;
    // Without a length the body would end with the connection (RFC 9112, section 6.3).
    header.set_content_length(body.len())?;
    session.write_error_response(header, body.into()).await
}

fn main() {
    // env_logger shows errors only unless told otherwise; Pingora itself is chatty at `info`.
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let upstreams = upstreams::from_env();

    // No #[tokio::main]: the server starts a runtime of its own for every service.
    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(|error| {
        eprintln!("cannot start: {error}");
        std::process::exit(2)
    });
    // After SIGTERM Pingora sleeps its whole grace period, by default 300 s: longer than Docker waits before it kills.
    if let Some(conf) = Arc::get_mut(&mut server.configuration) {
        conf.grace_period_seconds.get_or_insert(1);
    }
    server.bootstrap();

    let mut proxy = http_proxy_service(&server.configuration, Tracer { upstreams });
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -i http://{listen}/hello");
    println!("  curl -i -d 'some body' http://{listen}/hello");
    println!("  curl -i http://{listen}/close");
    server.run_forever();
}
