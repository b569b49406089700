//! 8.10 Measure and tune: connections to the upstream are used again, idle clients cost little and leave in time.

use std::{net::SocketAddr, time::Duration};

use async_trait::async_trait;
use env_logger::Env;
// TODO 8.10: what the other regions need.
use std::hash::{DefaultHasher, Hash, Hasher};
// END TODO
use pingora::{
    Error,
    ErrorType::HTTPStatus,
    Result,
    prelude::HttpPeer,
    proxy::{ProxyHttp, Session, http_proxy_service},
    server::{
        Server,
        configuration::{Opt, ServerConf},
    },
};

struct Edge {
    upstreams: Vec<SocketAddr>,
    idle: Duration,
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn early_request_filter(&self, session: &mut Session, _ctx: &mut ()) -> Result<()> {
        session.set_write_timeout(Some(Duration::from_secs(10)));
        // TODO 8.10: how long may a client be idle before its next request?
        session.set_read_timeout(Some(self.idle));
        // END TODO
        Ok(())
    }

    async fn upstream_peer(&self, session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        let Some(upstream) = self.upstreams.first() else {
            return Error::e_explain(HTTPStatus(503), "no upstream is configured");
        };
        let mut peer = HttpPeer::new(upstream, false, String::new());
        peer.options.connection_timeout = Some(Duration::from_secs(3));
        peer.options.read_timeout = Some(Duration::from_secs(30));
        peer.options.write_timeout = Some(Duration::from_secs(10));
        peer.options.idle_timeout = Some(Duration::from_secs(60));
        peer.group_key = reuse_key(session);
        Ok(Box::new(peer))
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, _ctx: &mut ()) {
        let status = session.response_written().map(|it| it.status.as_u16());
        let error = error.map(|it| it.etype().as_str());
        log::info!("status={status:?} error={error:?}");
    }
}

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let upstreams = upstreams::from_env();
    let idle = milliseconds("IDLE_MS", 60_000);

    let conf = ServerConf {
        threads: 1,
        // TODO 8.10: how many connections to upstreams are kept for the next request?
        upstream_keepalive_pool_size: 8,
        // END TODO
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(Opt::parse_args(), conf);
    server.bootstrap();

    let edge = Edge { upstreams, idle };
    let mut proxy = http_proxy_service(&server.configuration, edge);
    // TODO 8.10: what does a connection cost while nothing happens on it?
    proxy.add_tcp(&listen);
    // END TODO
    server.add_service(proxy);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -s http://{listen}/status/200 http://{listen}/bytes/1000000 | wc -c");
    server.run_forever();
}

/// A connection to the upstream is used again by the requests that have the same key, and by no others.
// TODO 8.10: whose connections may a request use?
fn reuse_key(session: &Session) -> u64 {
    // Its own client's, so that what one client sends stays apart from what another does.
    let mut key = DefaultHasher::new();
    session.client_addr().hash(&mut key);
    key.finish()
}
// END TODO

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
