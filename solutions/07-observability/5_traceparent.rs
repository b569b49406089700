//! 7.5 traceparent: a request keeps its trace, and what only looks like a trace does not get in.

use std::{net::SocketAddr, time::Duration};

use async_trait::async_trait;
use env_logger::Env;
use pingora::{
    Error,
    ErrorType::HTTPStatus,
    Result,
    http::RequestHeader,
    prelude::HttpPeer,
    proxy::{ProxyHttp, Session, http_proxy_service},
    server::{
        Server,
        configuration::{Opt, ServerConf},
    },
};
use uuid::Uuid;

const TRACEPARENT: &str = "traceparent";

/// Where a request stands in its trace.
#[derive(Clone, Default)]
struct Trace {
    /// 32 lower case hex digits: the same for every hop.
    id: String,
    /// Whether those before us record this trace.
    sampled: bool,
    /// Whether the trace came with the request, and is not our own.
    continued: bool,
}

struct Edge {
    upstreams: Vec<SocketAddr>,
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = Trace;

    fn new_ctx(&self) -> Trace {
        Trace::default()
    }

    async fn early_request_filter(&self, session: &mut Session, trace: &mut Trace) -> Result<()> {
        *trace = received(session.req_header()).unwrap_or_else(start);
        Ok(())
    }

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        _trace: &mut Trace,
    ) -> Result<Box<HttpPeer>> {
        let address = self
            .upstreams
            .first()
            .ok_or_else(|| Error::new(HTTPStatus(503)))?;
        let mut peer = HttpPeer::new(*address, false, String::new());
        peer.options.connection_timeout = Some(Duration::from_secs(1));
        peer.options.read_timeout = Some(Duration::from_secs(10));
        peer.options.write_timeout = Some(Duration::from_secs(10));
        Ok(Box::new(peer))
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        upstream_request: &mut RequestHeader,
        trace: &mut Trace,
    ) -> Result<()> {
        pass_on(upstream_request, trace)
    }

    async fn logging(&self, session: &mut Session, _error: Option<&Error>, trace: &mut Trace) {
        let status = session
            .response_written()
            .map_or(0, |response| response.status.as_u16());
        log::info!(
            "{} {status} trace_id={} sampled={}",
            session.request_summary(),
            trace.id,
            trace.sampled
        );
    }
}

// TODO 7.5: believe one header line, and only when every field of it is well formed.
/// The trace that the request belongs to, if it names one that is well formed.
fn received(request: &RequestHeader) -> Option<Trace> {
    let mut lines = request.headers.get_all(TRACEPARENT).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return None;
    };
    let mut fields = line.to_str().ok()?.trim_matches([' ', '\t']).split('-');
    let version = hex(fields.next()?, 2)?;
    let id = hex(fields.next()?, 32).filter(|id| !all_zero(id))?;
    hex(fields.next()?, 16).filter(|parent| !all_zero(parent))?;
    let flags = u8::from_str_radix(hex(fields.next()?, 2)?, 16).ok()?;
    // Version ff is forbidden, 00 ends here, and a later one may go on (Trace Context, 3.2.2.1 and 3.2.4).
    if version == "ff" || (version == "00" && fields.next().is_some()) {
        return None;
    }
    Some(Trace {
        id: id.to_owned(),
        sampled: flags & 1 == 1,
        continued: true,
    })
}

/// The text, if it is so many lower case hex digits. `from_str_radix` also takes upper case and a sign.
fn hex(text: &str, digits: usize) -> Option<&str> {
    let lower = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (text.len() == digits && text.bytes().all(lower)).then_some(text)
}

fn all_zero(digits: &str) -> bool {
    digits.bytes().all(|digit| digit == b'0')
}
// END TODO

/// A new trace. A UUID of version 4 is 16 bytes, mostly random and never all zero: what a trace id has to be.
fn start() -> Trace {
    Trace {
        id: Uuid::new_v4().simple().to_string(),
        sampled: true,
        continued: false,
    }
}

/// Tells the upstream which trace its request belongs to.
fn pass_on(upstream_request: &mut RequestHeader, trace: &Trace) -> Result<()> {
    // TODO 7.5: the upstream's parent is this proxy, not the client.
    if !trace.continued {
        // Without a valid traceparent nobody knows whose state this is (Trace Context, 3.3).
        upstream_request.remove_header("tracestate");
    }
    let value = format!(
        "00-{}-{}-{:02x}",
        trace.id,
        span_id(),
        u8::from(trace.sampled)
    );
    upstream_request.insert_header(TRACEPARENT, value)
    // END TODO
}

/// A new span id: 16 hex digits, which are the last half of a UUID and so never all zero.
fn span_id() -> String {
    let (_, low) = Uuid::new_v4().as_u64_pair();
    format!("{low:016x}")
}

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let upstreams = upstreams::from_env();

    let conf = ServerConf {
        grace_period_seconds: Some(1),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(Opt::parse_args(), conf);
    server.bootstrap();

    let mut proxy = http_proxy_service(&server.configuration, Edge { upstreams });
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -s http://{listen}/ | grep -i trace");
    println!(
        "  curl -s -H 'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' http://{listen}/ | grep -i trace"
    );
    server.run_forever();
}
