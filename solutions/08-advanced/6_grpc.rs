//! 8.6 gRPC through: failures in gRPC's own words, and deadlines that hold.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use env_logger::Env;
use http::header::CONTENT_TYPE;
use pingora::{
    Error,
    ErrorType::{ConnectTimedout, HTTPStatus, ReadTimedout, WriteTimedout},
    Result,
    apps::HttpServerOptions,
    http::RequestHeader,
    prelude::HttpPeer,
    protocols::http::v2::server::default_h2_options,
    proxy::{FailToProxy, ProxyHttp, ProxyServiceBuilder, Session},
    server::{Server, configuration::Opt},
};

// TODO 8.6: what is an answer of gRPC made of?
use pingora::{http::ResponseHeader, protocols::http::HttpTask};
// END TODO

/// What may be on its way on one connection, in bytes. It bounds the memory that a connection takes, and the small
/// messages that may wait to be read as well: beyond one for each 512 bytes, h2 closes the connection
/// (`data_frame_budget`). With its own window of 64 KiB, a burst of 130 messages is enough for that.
const WINDOW: u32 = 8 * 1024 * 1024;

struct Edge {
    upstreams: Vec<SocketAddr>,
    /// How long an upstream may be silent while it answers.
    read_timeout: Duration,
    /// The same for a gRPC call: the most that a client may ask for.
    deadline: Duration,
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        let Some(upstream) = self.upstreams.first() else {
            return Error::e_explain(HTTPStatus(502), "there is no upstream");
        };
        let mut peer = HttpPeer::new(upstream, false, String::new());
        peer.options.set_http_version(2, 2);
        peer.options.max_h2_streams = 100;
        peer.options.h2_connection_window_size = Some(WINDOW);
        peer.options.connection_timeout = Some(Duration::from_secs(3));
        peer.options.write_timeout = Some(Duration::from_secs(30));
        peer.options.read_timeout = Some(if is_grpc(session.req_header()) {
            // TODO 8.6: how long may the upstream of this call be silent?
            self.deadline_of(session.req_header())
            // END TODO
        } else {
            self.read_timeout
        });
        Ok(Box::new(peer))
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        _ctx: &mut (),
    ) -> Result<()> {
        log::debug!("{} to the upstream", session.request_summary());
        // TODO 8.6: what is the upstream told?
        // Who knows how long the answer is waited for need not work on it any longer.
        if is_grpc(request) && requested(request).is_none_or(|it| it > self.deadline) {
            request.insert_header("grpc-timeout", format!("{}m", self.deadline.as_millis()))?;
        }
        // END TODO
        request.append_header("via", "2 edge").map(drop)
    }

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
        // Once an answer has begun, all that is left is to reset the stream, which Pingora does.
        if session.response_written().is_none()
            && let Err(error) = answer(session, error, code).await
        {
            log::debug!("the client is gone: {error}");
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
        let path = session.req_header().uri.path();
        let status = session.response_written().map(|it| it.status.as_u16());
        let error = error.map(|it| it.etype().as_str());
        log::info!("path={path:?} status={status:?} error={error:?}");
    }
}

/// gRPC is what its content type says, with or without the name of an encoding (gRPC over HTTP/2, "Requests").
/// gRPC-Web is another protocol.
fn is_grpc(request: &RequestHeader) -> bool {
    let content_type = request.headers.get(CONTENT_TYPE);
    let rest = content_type.and_then(|it| it.as_bytes().strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

// TODO 8.6: the answer to a request that failed here, before its answer began.
async fn answer(session: &mut Session, error: &Error, code: u16) -> Result<()> {
    if !is_grpc(session.req_header()) {
        let body = Bytes::from(format!("{code}: the upstream did not answer\n"));
        return session.respond_error_with_body(code, body).await;
    }
    let (status, message) = match error.etype() {
        ReadTimedout => (DEADLINE_EXCEEDED, "the deadline is over"),
        _ => (UNAVAILABLE, "the upstream did not answer"),
    };
    let mut header = ResponseHeader::build(200, Some(3))?;
    header.insert_header(CONTENT_TYPE, "application/grpc")?;
    header.insert_header("grpc-status", status.to_string())?;
    header.insert_header("grpc-message", message)?;
    // Header and trailers in one ("Trailers-Only"), with the end of the stream in the same frame. The flag of
    // `write_response_header` is for the modules and ends nothing (pingora-proxy, lib.rs).
    let tasks = vec![HttpTask::Header(Box::new(header), true)];
    session.write_response_tasks(tasks).await.map(drop)
}

const DEADLINE_EXCEEDED: u16 = 4;
const UNAVAILABLE: u16 = 14;

impl Edge {
    /// What the client asks for, and no more than is granted.
    fn deadline_of(&self, request: &RequestHeader) -> Duration {
        requested(request).map_or(self.deadline, |it| it.min(self.deadline))
    }
}
// END TODO

/// The client's `grpc-timeout`, if it has one that can be read: up to 8 digits and a unit.
fn requested(request: &RequestHeader) -> Option<Duration> {
    let value = request.headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|it| it.is_ascii_digit()) {
        return None;
    }
    let number = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3_600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let edge = Edge {
        upstreams: upstreams::from_env(),
        read_timeout: milliseconds("READ_TIMEOUT_MS", 30_000),
        deadline: milliseconds("DEADLINE_MS", 60_000),
    };
    let mut options = HttpServerOptions::default();
    options.h2c = true;

    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(|error| {
        eprintln!("cannot start: {error}");
        std::process::exit(2)
    });
    server.bootstrap();
    let mut proxy = ProxyServiceBuilder::new(&server.configuration, edge)
        .server_options(options)
        .build();
    if let Some(app) = proxy.app_logic_mut() {
        let mut options = default_h2_options();
        options.initial_connection_window_size(WINDOW);
        app.h2_options = Some(options);
    }
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    println!("Listening on http://{listen}, also for HTTP/2. In another terminal, try:");
    println!(
        "  curl -si --http2-prior-knowledge -X POST -H 'content-type: application/grpc' http://{listen}/shop.Cart/Add"
    );
    server.run_forever();
}

/// A time from the environment.
fn milliseconds(variable: &str, default: u64) -> Duration {
    let Ok(text) = std::env::var(variable) else {
        return Duration::from_millis(default);
    };
    match text.parse() {
        // What fits into a grpc-timeout.
        Ok(milliseconds @ 1..=99_999_999) => Duration::from_millis(milliseconds),
        _ => {
            eprintln!(
                "{variable}: {text:?} is not a number of milliseconds from 1 to 99999999, as in {variable}={default}"
            );
            std::process::exit(2)
        }
    }
}
