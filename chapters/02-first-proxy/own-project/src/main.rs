//! The smallest proxy that never waits without end: `LISTEN` to `UPSTREAM`.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use pingora::{
    Result,
    prelude::HttpPeer,
    proxy::{ProxyHttp, Session, http_proxy_service},
    server::{Server, configuration::Opt},
};

struct Edge {
    upstream: SocketAddr,
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn early_request_filter(&self, session: &mut Session, _ctx: &mut ()) -> Result<()> {
        session.set_write_timeout(Some(Duration::from_secs(10)));
        session.set_keepalive(Some(60));
        Ok(())
    }

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        let mut peer = HttpPeer::new(self.upstream, false, String::new());
        peer.options.connection_timeout = Some(Duration::from_secs(3));
        peer.options.read_timeout = Some(Duration::from_secs(10));
        peer.options.write_timeout = Some(Duration::from_secs(10));
        Ok(Box::new(peer))
    }
}

fn main() {
    env_logger::init();
    let listen = address("LISTEN", "127.0.0.1:6188").to_string();
    let upstream = address("UPSTREAM", "127.0.0.1:8081");

    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(|error| {
        eprintln!("cannot start: {error}");
        std::process::exit(2)
    });
    // The default is to sleep 300 s after SIGTERM, longer than any service manager waits.
    if let Some(conf) = Arc::get_mut(&mut server.configuration) {
        conf.grace_period_seconds.get_or_insert(10);
    }
    server.bootstrap();
    let mut proxy = http_proxy_service(&server.configuration, Edge { upstream });
    proxy.add_tcp(&listen);
    server.add_service(proxy);
    println!("{listen} -> {upstream}");
    server.run_forever();
}

/// An address and a port, from the environment.
fn address(variable: &str, default: &str) -> SocketAddr {
    let text = std::env::var(variable).unwrap_or_else(|_| default.to_owned());
    text.parse().unwrap_or_else(|_| {
        eprintln!("{variable}: {text:?} is not an address and a port, as in {variable}={default}");
        std::process::exit(2)
    })
}
