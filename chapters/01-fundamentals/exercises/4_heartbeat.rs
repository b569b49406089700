//! 1.4 A background service: a clock of uptime with a heartbeat.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use env_logger::Env;
use log::info;
use pingora::http::ResponseHeader;
use pingora_core::{
    Error,
    ErrorType::HTTPStatus,
    Result,
    server::{
        Server,
        configuration::{Opt, ServerConf},
    },
    upstreams::peer::HttpPeer,
};
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

/// Shared by the heartbeat, which writes it, and the proxy, which reads it.
struct Clock {
    started: Instant,
    interval: Duration,
    beats: AtomicU64,
}

impl Clock {
    fn beat(&self) {
        let beat = self.beats.fetch_add(1, Ordering::Relaxed) + 1;
        info!(
            "heartbeat {beat}: up {} ms",
            self.started.elapsed().as_millis()
        );
    }
}

// TODO 1.4: let the heart beat as a service of the server, and stop with it.
fn start_heart(_server: &mut Server, clock: Arc<Clock>) {
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(clock.interval);
            clock.beat();
        }
    });
}
// END TODO

struct Edge {
    upstreams: Vec<SocketAddr>,
    clock: Arc<Clock>,
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

    async fn response_filter(
        &self,
        _session: &mut Session,
        response: &mut ResponseHeader,
        _ctx: &mut (),
    ) -> Result<()> {
        response.insert_header("x-beats", self.clock.beats.load(Ordering::Relaxed))?;
        let uptime = self.clock.started.elapsed().as_millis();
        response.insert_header("x-uptime-ms", uptime.to_string())
    }
}

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let upstreams = upstreams::from_env();
    let clock = Arc::new(Clock {
        started: Instant::now(),
        interval: heartbeat_interval(),
        beats: AtomicU64::new(0),
    });

    // Pingora's default grace is 300 s, and it sleeps all of it after SIGTERM, however idle it is.
    let conf = ServerConf {
        grace_period_seconds: Some(1),
        graceful_shutdown_timeout_seconds: Some(1),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(Opt::parse_args(), conf);
    server.bootstrap();

    start_heart(&mut server, clock.clone());
    let mut proxy = http_proxy_service(&server.configuration, Edge { upstreams, clock });
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    println!("Listening on http://{listen}. Watch the log, and in another terminal try:");
    println!("  curl -si http://{listen}/ | grep -i -e x-beats -e x-uptime");
    server.run_forever();
}

/// `HEARTBEAT_MS`, by default 10 seconds.
fn heartbeat_interval() -> Duration {
    let text = std::env::var("HEARTBEAT_MS").unwrap_or_else(|_| "10000".to_owned());
    match text.parse() {
        Ok(milliseconds @ 1..) => Duration::from_millis(milliseconds),
        _ => {
            eprintln!(
                "HEARTBEAT_MS: {text:?} is not a number of milliseconds above 0, as in HEARTBEAT_MS=500"
            );
            std::process::exit(2)
        }
    }
}
