//! 8.7 WebSocket through: what is silent may be healthy, and has a limit of its own.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use env_logger::Env;
use pingora::{
    Error,
    ErrorType::{ConnectTimedout, HTTPStatus, ReadTimedout, WriteTimedout},
    Result,
    http::ResponseHeader,
    prelude::HttpPeer,
    proxy::{FailToProxy, ProxyHttp, Session, http_proxy_service},
    server::{Server, configuration::Opt},
};

struct Edge {
    upstreams: Vec<SocketAddr>,
    /// How long an upstream may be silent while it answers.
    read_timeout: Duration,
    /// How long a client may be silent in its upload.
    client_timeout: Duration,
    /// How long a WebSocket may be silent in both directions.
    idle: Duration,
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn early_request_filter(&self, session: &mut Session, _ctx: &mut ()) -> Result<()> {
        session.set_read_timeout(Some(self.client_timeout));
        Ok(())
    }

    async fn upstream_peer(&self, session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        let Some(upstream) = self.upstreams.first() else {
            return Error::e_explain(HTTPStatus(502), "there is no upstream");
        };
        log::debug!("{} to {upstream}", session.request_summary());
        let mut peer = HttpPeer::new(upstream, false, String::new());
        peer.options.connection_timeout = Some(Duration::from_secs(3));
        peer.options.write_timeout = Some(Duration::from_secs(30));
        // TODO 8.7: how long may the upstream of a WebSocket be silent?
        // The limit is taken over before the answer is known (pingora-proxy, proxy_h1.rs, `proxy_1to1`).
        peer.options.read_timeout = Some(if asks_for_websocket(session) {
            self.idle
        } else {
            self.read_timeout
        });
        // END TODO
        Ok(Box::new(peer))
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        _ctx: &mut (),
    ) -> Result<()> {
        log::debug!("{} for {}", response.status, session.request_summary());
        // TODO 8.7: and how long its client?
        if response.status == 101 {
            session.set_read_timeout(Some(self.idle));
        }
        // END TODO
        Ok(())
    }

    /// An upstream that is too slow is a 504 (RFC 9110, section 15.6.5), not Pingora's 502.
    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        _ctx: &mut (),
    ) -> FailToProxy {
        let code = match error.etype() {
            HTTPStatus(code) => *code,
            ConnectTimedout | ReadTimedout | WriteTimedout => 504,
            _ => 502,
        };
        // After the 101 there is no status to send any more.
        if session.response_written().is_none() {
            let body = Bytes::from(format!("{code}: the upstream did not answer\n"));
            if let Err(error) = session.respond_error_with_body(code, body).await {
                log::debug!("the client is gone: {error}");
            }
        }
        FailToProxy {
            error_code: code,
            can_reuse_downstream: false,
        }
    }

    /// `logging` says it.
    fn suppress_error_log(&self, _session: &Session, _ctx: &(), _error: &Error) -> bool {
        true
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, _ctx: &mut ()) {
        let status = session.response_written().map(|it| it.status.as_u16());
        let error = error.map(|it| it.etype().as_str());
        log::info!("status={status:?} error={error:?}");
    }
}

// TODO 8.7: which requests are these?
/// What Pingora passes on as an upgrade (pingora-proxy, proxy_common.rs): of any other it drops the header, and that
/// request keeps its limits.
fn asks_for_websocket(session: &Session) -> bool {
    let protocol = session.req_header().headers.get("upgrade");
    session.is_upgrade_req()
        && protocol.is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"websocket"))
}
// END TODO

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let edge = Edge {
        upstreams: upstreams::from_env(),
        read_timeout: milliseconds("READ_TIMEOUT_MS", 30_000),
        client_timeout: milliseconds("CLIENT_TIMEOUT_MS", 60_000),
        idle: milliseconds("IDLE_MS", 600_000),
    };

    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(|error| {
        eprintln!("cannot start: {error}");
        std::process::exit(2)
    });
    server.bootstrap();
    let mut proxy = http_proxy_service(&server.configuration, edge);
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -s http://{listen}/ws");
    println!("  websocat ws://{listen}/ws");
    server.run_forever();
}

/// A time from the environment.
fn milliseconds(variable: &str, default: u64) -> Duration {
    let Ok(text) = std::env::var(variable) else {
        return Duration::from_millis(default);
    };
    match text.parse() {
        Ok(milliseconds @ 1..) => Duration::from_millis(milliseconds),
        _ => {
            eprintln!(
                "{variable}: {text:?} is not a number of milliseconds above 0, as in {variable}={default}"
            );
            std::process::exit(2)
        }
    }
}
