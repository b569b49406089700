//! 1.3 A second service: an admin port that counts.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use env_logger::Env;
use pingora_core::{
    Error,
    ErrorType::HTTPStatus,
    Result,
    server::{Server, configuration::Opt},
    upstreams::peer::HttpPeer,
};
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

// TODO 1.3: what the admin service imports, and the service itself.
use http::{Response, header};
use pingora_core::{
    apps::http_app::ServeHttp, protocols::http::ServerSession, services::listening::Service,
};

struct Admin {
    served: Arc<AtomicU64>,
}

#[async_trait]
impl ServeHttp for Admin {
    async fn response(&self, _session: &mut ServerSession) -> Response<Vec<u8>> {
        let body = format!("served: {}\n", self.served.load(Ordering::Relaxed)).into_bytes();
        let mut response = Response::new(Vec::new());
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            header::HeaderValue::from_static("text/plain"),
        );
        // ServeHttp adds no length of its own, and without one the client waits for the connection to close.
        headers.insert(header::CONTENT_LENGTH, body.len().into());
        *response.body_mut() = body;
        response
    }
}
// END TODO

struct Edge {
    upstreams: Vec<SocketAddr>,
    served: Arc<AtomicU64>,
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        let address = self
            .upstreams
            .first()
            .ok_or_else(|| Error::new(HTTPStatus(503)))?;
        Ok(Box::new(HttpPeer::new(*address, false, String::new())))
    }

    // TODO 1.3: count every request that this proxy has answered, whatever came of it.
    async fn logging(&self, _session: &mut Session, _error: Option<&Error>, _ctx: &mut ()) {
        self.served.fetch_add(1, Ordering::Relaxed);
    }
    // END TODO
}

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let admin = upstreams::listen("ADMIN", "127.0.0.1:6190");
    let upstreams = upstreams::from_env();
    let served = Arc::new(AtomicU64::new(0));

    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(|error| {
        eprintln!("cannot start: {error}");
        std::process::exit(2)
    });
    server.bootstrap();

    let edge = Edge {
        upstreams,
        served: served.clone(),
    };
    let mut proxy = http_proxy_service(&server.configuration, edge);
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    // TODO 1.3: add the service that listens on `admin`.
    let mut counter = Service::new("admin".to_owned(), Admin { served });
    counter.add_tcp(&admin);
    server.add_service(counter);
    // END TODO

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -i http://{listen}/");
    println!("  curl -i http://{admin}/");
    server.run_forever();
}
