//! 4.4 Least connections: whoever has the fewest running requests gets the next one.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use env_logger::Env;
use pingora::{
    Error,
    ErrorType::HTTPStatus,
    Result,
    http::ResponseHeader,
    prelude::HttpPeer,
    proxy::{ProxyHttp, Session, http_proxy_service},
    server::{Server, configuration::Opt},
};
use serde_json::{Map, json};

struct Backend {
    address: SocketAddr,
    /// How many requests run here now.
    running: AtomicUsize,
}

struct Edge {
    backends: Vec<Arc<Backend>>,
    read_timeout: Duration,
}

#[derive(Default)]
struct Ctx {
    /// Backends that did not take the connection: a retry goes to another one.
    refused: Vec<SocketAddr>,
    // TODO 4.4: what knows where the request is counted, and how to end that?
    running: Option<Running>,
    // END TODO
}

impl Edge {
    fn choose(&self, refused: &[SocketAddr]) -> Option<Arc<Backend>> {
        let backends = self.backends.iter();
        let usable = backends.filter(|backend| !refused.contains(&backend.address));
        // TODO 4.4: of those with the fewest, not always the first.
        let mut usable = Vec::from_iter(usable);
        usable.shuffle(&mut rand::rng());
        let usable = usable.into_iter();
        // END TODO
        let least = usable.min_by_key(|backend| backend.running.load(Ordering::Relaxed));
        least.cloned()
    }

    /// `{"running":{"127.0.0.1:8081":0}}`
    async fn status(&self, session: &mut Session) -> Result<()> {
        let running = self.backends.iter().map(|backend| {
            let running = backend.running.load(Ordering::Relaxed);
            (backend.address.to_string(), json!(running))
        });
        let body = json!({ "running": running.collect::<Map<_, _>>() }).to_string() + "\n";
        let mut header = ResponseHeader::build(200, Some(3))?;
        header.insert_header("content-type", "application/json")?;
        header.insert_header("content-length", body.len())?;
        header.insert_header("cache-control", "no-store")?;
        session
            .write_response_header(Box::new(header), false)
            .await?;
        let body = Some(Bytes::from(body));
        session.write_response_body(body, true).await
    }
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = Ctx;

    fn new_ctx(&self) -> Ctx {
        Ctx::default()
    }

    async fn request_filter(&self, session: &mut Session, _ctx: &mut Ctx) -> Result<bool> {
        let request = session.req_header();
        if request.method != "GET" || request.uri.path() != "/status" {
            return Ok(false);
        }
        self.status(session).await?;
        Ok(true)
    }

    /// Runs once for each try.
    async fn upstream_peer(&self, _session: &mut Session, ctx: &mut Ctx) -> Result<Box<HttpPeer>> {
        let backend = self.choose(&ctx.refused);
        let backend = backend.ok_or_else(|| Error::explain(HTTPStatus(503), "no backend"))?;
        let mut peer = HttpPeer::new(backend.address, false, String::new());
        peer.options.connection_timeout = Some(Duration::from_secs(3));
        peer.options.read_timeout = Some(self.read_timeout);
        peer.options.write_timeout = Some(self.read_timeout);
        // TODO 4.4: count it here, and see to it that it is given back.
        // If this is a retry, the guard of the try before is dropped by this.
        ctx.running = Some(Running::at(backend));
        // END TODO
        Ok(Box::new(peer))
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        peer: &HttpPeer,
        ctx: &mut Ctx,
        mut error: Box<Error>,
    ) -> Box<Error> {
        ctx.refused.extend(peer._address.as_inet());
        if ctx.refused.len() < self.backends.len() {
            error.set_retry(true);
        }
        error
    }

    // TODO 4.4: is the end of the answer the end of every request?
    // END TODO
}

// TODO 4.4: what gives the count back.
use rand::seq::SliceRandom;

/// A running request. It counts from here until this is dropped, which no path can forget: Pingora drops the CTX when
/// the request is over, whatever ended it.
struct Running(Arc<Backend>);

impl Running {
    fn at(backend: Arc<Backend>) -> Self {
        backend.running.fetch_add(1, Ordering::Relaxed);
        Self(backend)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}
// END TODO

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let backends = upstreams::from_env().into_iter().map(|address| {
        Arc::new(Backend {
            address,
            running: AtomicUsize::new(0),
        })
    });
    let edge = Edge {
        backends: backends.collect(),
        read_timeout: read_timeout(),
    };

    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(|error| {
        eprintln!("cannot start: {error}");
        std::process::exit(2)
    });
    server.bootstrap();

    let mut proxy = http_proxy_service(&server.configuration, edge);
    proxy.threads = Some(2);
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -s http://{listen}/status");
    println!("  curl -s http://{listen}/drip/20 > /dev/null & curl -s http://{listen}/status");
    server.run_forever();
}

/// `READ_TIMEOUT_MS`, how long a backend may be silent.
fn read_timeout() -> Duration {
    let text = std::env::var("READ_TIMEOUT_MS").unwrap_or_else(|_| "10000".to_owned());
    match text.parse() {
        Ok(milliseconds @ 1..) => Duration::from_millis(milliseconds),
        _ => {
            eprintln!(
                "READ_TIMEOUT_MS: {text:?} is not a number of milliseconds above 0, as in READ_TIMEOUT_MS=10000"
            );
            std::process::exit(2)
        }
    }
}
