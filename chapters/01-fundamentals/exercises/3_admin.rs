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
use pingora::http::ResponseHeader;
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
    async fn response_filter(
        &self,
        _session: &mut Session,
        _response: &mut ResponseHeader,
        _ctx: &mut (),
    ) -> Result<()> {
        self.served.fetch_add(1, Ordering::Relaxed);
        Ok(())
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
    log::warn!(
        "nothing listens on {admin} yet; served: {}",
        served.load(Ordering::Relaxed)
    );
    // END TODO

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -i http://{listen}/");
    println!("  curl -i http://{admin}/");
    server.run_forever();
}
