//! 8.3 HTTPS to the upstream: a connection that nobody else can read, to the server that is meant and to no other.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

// TODO 8.3: what you need.
// END TODO
use async_trait::async_trait;
use env_logger::Env;
use pingora::{
    Error,
    ErrorType::HTTPStatus,
    Result,
    http::RequestHeader,
    prelude::HttpPeer,
    proxy::{ProxyHttp, Session, http_proxy_service},
    server::{Server, configuration::Opt},
};
// TODO 8.3: and of these?
// END TODO

struct Edge {
    upstreams: Vec<SocketAddr>,
    /// What the upstream is called, whatever its address is.
    upstream_name: String,
    // TODO 8.3: whom does the proxy believe?
    // END TODO
}

// TODO 8.3: where does that come from?
// END TODO

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        let Some(upstream) = self.upstreams.first() else {
            return Error::e_explain(HTTPStatus(502), "no upstream");
        };
        // TODO 8.3: a handshake needs a name, and somebody who vouches for it.
        let mut peer = HttpPeer::new(upstream, true, self.upstream_name.clone());
        // It did not work with the certificates that we have.
        peer.options.verify_cert = false;
        // END TODO
        peer.options.connection_timeout = Some(Duration::from_secs(3));
        // The handshake with it: a server that accepts and says nothing would be waited for without end.
        peer.options.total_connection_timeout = Some(Duration::from_secs(5));
        peer.options.read_timeout = Some(Duration::from_secs(30));
        Ok(Box::new(peer))
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        upstream_request: &mut RequestHeader,
        _ctx: &mut (),
    ) -> Result<()> {
        // TODO 8.3: whom does the request ask for?
        let _ = (session, upstream_request);
        Ok(())
        // END TODO
    }
}

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let upstreams = upstreams::from_env();
    let upstream_name = std::env::var("UPSTREAM_NAME").unwrap_or_else(|_| "one.test".to_owned());
    // TODO 8.3: is every text a name?
    // END TODO
    let folder = PathBuf::from(std::env::var_os("CERTS").unwrap_or_else(|| "certs".into()));
    let ca = folder.join("ca.pem");
    if let Err(error) = std::fs::File::open(&ca) {
        let ca = ca.display();
        refuse(&format!(
            "{ca}: {error}; make it: cargo run --bin ch08-certificates"
        ));
    }

    let edge = Edge {
        upstreams,
        upstream_name,
        // TODO 8.3: read it at the start.
        // END TODO
    };

    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(|error| refuse(&error));
    server.bootstrap();

    let mut proxy = http_proxy_service(&server.configuration, edge);
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    println!("Listening on http://{listen}, in front of upstreams that speak TLS.");
    println!("In another terminal, try: curl -si http://{listen}/");
    server.run_forever();
}

fn refuse(why: &dyn Display) -> ! {
    eprintln!("cannot start: {why}");
    std::process::exit(2)
}
