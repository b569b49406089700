//! 2.3 Time-outs: nobody waits without end.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use env_logger::Env;
use pingora::{
    Error,
    ErrorType::HTTPStatus,
    Result,
    prelude::HttpPeer,
    proxy::{ProxyHttp, Session, http_proxy_service},
    server::{Server, configuration::Opt},
};

struct Edge {
    upstreams: Vec<SocketAddr>,
    timeouts: Timeouts,
}

/// How long the proxy waits for an upstream.
struct Timeouts {
    connect: Duration,
    read: Duration,
    write: Duration,
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
        let mut peer = HttpPeer::new(*address, false, String::new());
        // TODO 2.3: Pingora waits without end unless the peer has limits.
        peer.options.connection_timeout = Some(self.timeouts.connect);
        // END TODO
        Ok(Box::new(peer))
    }

    // TODO 2.3: tell "too slow" (504) from "broken" (502).
    // END TODO
}

// TODO 2.3: what the mapping needs.
// END TODO

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let upstreams = upstreams::from_env();
    let timeouts = Timeouts {
        connect: milliseconds("CONNECT_TIMEOUT_MS", 3_000),
        read: milliseconds("READ_TIMEOUT_MS", 30_000),
        write: milliseconds("WRITE_TIMEOUT_MS", 30_000),
    };
    println!(
        "Time-outs: connect {:?}, read {:?}, write {:?}",
        timeouts.connect, timeouts.read, timeouts.write
    );

    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(|error| {
        eprintln!("cannot start: {error}");
        std::process::exit(2)
    });
    server.bootstrap();

    let mut proxy = http_proxy_service(
        &server.configuration,
        Edge {
            upstreams,
            timeouts,
        },
    );
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -i http://{listen}/delay/2000");
    server.run_forever();
}

/// A time-out from the environment.
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
