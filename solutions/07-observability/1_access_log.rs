//! 7.1 One line each: every request leaves one JSON object in the log, whatever came of it and whatever it carried.

use std::{
    borrow::Cow,
    io::Write,
    net::SocketAddr,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use env_logger::Env;
use pingora::{
    Error, ErrorSource,
    ErrorType::{
        ConnectTimedout, ConnectionClosed, HTTPStatus, ReadError, ReadTimedout, WriteError,
        WriteTimedout,
    },
    Result,
    http::ResponseHeader,
    prelude::HttpPeer,
    proxy::{FailToProxy, ProxyHttp, Session, http_proxy_service},
    server::{Server, configuration::Opt},
};
// TODO 7.1: what else do you need?
use serde_json::json;
// END TODO

/// Lines of this target are written as they are.
const ACCESS: &str = "access";

struct Edge {
    upstream: SocketAddr,
    read_timeout: Duration,
}

/// What is known of one request.
struct Ctx {
    started: Instant,
    /// Whether an upstream was asked, or was to be asked.
    forwarded: bool,
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = Ctx;

    fn new_ctx(&self) -> Ctx {
        Ctx {
            started: Instant::now(),
            forwarded: false,
        }
    }

    async fn request_filter(&self, session: &mut Session, _ctx: &mut Ctx) -> Result<bool> {
        if session.req_header().uri.path() != "/healthz" {
            return Ok(false);
        }
        let mut header = ResponseHeader::build(204, None)?;
        header.insert_header("cache-control", "no-store")?;
        session
            .write_response_header(Box::new(header), true)
            .await?;
        Ok(true)
    }

    async fn upstream_peer(&self, _session: &mut Session, ctx: &mut Ctx) -> Result<Box<HttpPeer>> {
        ctx.forwarded = true;
        let mut peer = HttpPeer::new(self.upstream, false, String::new());
        peer.options.connection_timeout = Some(Duration::from_secs(3));
        peer.options.total_connection_timeout = Some(Duration::from_secs(5));
        peer.options.read_timeout = Some(self.read_timeout);
        peer.options.write_timeout = Some(Duration::from_secs(10));
        Ok(Box::new(peer))
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        _ctx: &mut Ctx,
    ) -> FailToProxy {
        let status = status_for(error);
        if status > 0 {
            // A client that has gone meanwhile needs no answer.
            _ = session.respond_error(status).await;
        }
        FailToProxy {
            error_code: status,
            can_reuse_downstream: false,
        }
    }

    // TODO 7.1: one JSON object for each request: no value can break it, and the outcome tells who ended it.
    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Ctx) {
        let request = session.req_header();
        // The path only: a query may hold a token, and a log is read by many.
        let line = json!({
            "http.request.method": request.method.as_str(),
            "url.path": request.uri.path(),
            "user_agent.original": user_agent(session),
            "http.response.status_code": status_sent(session),
            "outcome": outcome(error, ctx.forwarded),
            "duration": ctx.started.elapsed().as_secs_f64(),
        });
        log::info!(target: ACCESS, "{}", ascii(&line.to_string()));
    }
    // END TODO

    /// Pingora would write a line of its own for an error; `logging` has it.
    fn suppress_error_log(&self, _session: &Session, _ctx: &Ctx, _error: &Error) -> bool {
        true
    }

    /// Names a request in Pingora's warnings. By default it holds the target as the client sent it.
    fn request_summary(&self, session: &Session, _ctx: &Ctx) -> String {
        let request = session.req_header();
        format!("{} {:?}", request.method, request.uri.path())
    }
}

// TODO 7.1: who ended it?
fn outcome(error: Option<&Error>, forwarded: bool) -> &'static str {
    let Some(error) = error else {
        return if forwarded { "answered" } else { "local" };
    };
    match (error.esource(), error.etype()) {
        (ErrorSource::Downstream, ConnectionClosed | ReadError | WriteError) => "client_gone",
        (ErrorSource::Upstream, ConnectTimedout | ReadTimedout | WriteTimedout) => "timed_out",
        (ErrorSource::Upstream, _) => "upstream_failed",
        _ => "failed",
    }
}

/// JSON says the same in ASCII (RFC 8259, section 7). DEL and the controls from 0x80 to 0x9f, which serde_json leaves as
/// they are, mean something to a terminal.
fn ascii(json: &str) -> String {
    let mut line = String::with_capacity(json.len());
    let mut units = [0; 2];
    for c in json.chars() {
        match c {
            ' '..='~' => line.push(c),
            _ => {
                for unit in c.encode_utf16(&mut units) {
                    line += &format!("\\u{unit:04x}");
                }
            }
        }
    }
    line
}
// END TODO

/// The status that the client was sent; none if it was gone before. A 100 or 103 comes before the answer (RFC 9110,
/// section 15.2) and is none.
fn status_sent(session: &Session) -> Option<u16> {
    let status = session.response_written()?.status;
    (!status.is_informational() || status == 101).then_some(status.as_u16())
}

/// What is not UTF-8 in it is replaced.
fn user_agent(session: &Session) -> Option<Cow<'_, str>> {
    let agent = session.req_header().headers.get("user-agent")?;
    Some(String::from_utf8_lossy(agent.as_bytes()))
}

/// The status for an error (RFC 9110, section 15.6); 0 when the client is gone and cannot be told.
fn status_for(error: &Error) -> u16 {
    match (error.esource(), error.etype()) {
        (_, HTTPStatus(status)) => *status,
        (ErrorSource::Upstream, ConnectTimedout | ReadTimedout | WriteTimedout) => 504,
        (ErrorSource::Upstream, _) => 502,
        (ErrorSource::Downstream, ConnectionClosed | ReadError | WriteError) => 0,
        (ErrorSource::Downstream, _) => 400,
        (ErrorSource::Internal | ErrorSource::Unset, _) => 500,
    }
}

fn main() {
    let filter = Env::default().default_filter_or("info,pingora=warn");
    env_logger::Builder::from_env(filter)
        .format(|out, record| match record.target() {
            ACCESS => writeln!(out, "{}", record.args()),
            target => writeln!(out, "[{} {target}] {}", record.level(), record.args()),
        })
        .init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let Some(&upstream) = upstreams::from_env().first() else {
        eprintln!("UPSTREAMS: no address is named, as in UPSTREAMS=127.0.0.1:8081");
        std::process::exit(2)
    };
    let read_timeout = Duration::from_millis(number("READ_TIMEOUT_MS", 10_000).into());

    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(|error| {
        eprintln!("cannot start: {error}");
        std::process::exit(2)
    });
    server.bootstrap();

    let edge = Edge {
        upstream,
        read_timeout,
    };
    let mut proxy = http_proxy_service(&server.configuration, edge);
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -s http://{listen}/");
    println!("  curl -s http://{listen}/close");
    server.run_forever();
}

/// A number above 0 from the environment.
fn number(variable: &str, default: u32) -> u32 {
    let Ok(text) = std::env::var(variable) else {
        return default;
    };
    match text.parse() {
        Ok(number @ 1..) => number,
        _ => {
            eprintln!(
                "{variable}: {text:?} is not a whole number above 0, as in {variable}={default}"
            );
            std::process::exit(2)
        }
    }
}
