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
use pingora_core::{
    server::ShutdownWatch,
    services::background::{BackgroundService, GenBackgroundService},
};
use tokio::time::{MissedTickBehavior, interval_at};

#[async_trait]
impl BackgroundService for Clock {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let first = tokio::time::Instant::now() + self.interval;
        let mut ticks = interval_at(first, self.interval);
        // After a stall one beat, not a burst of those that were missed.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => self.beat(),
                // Also when the sender is gone: then nobody will ever say stop.
                _ = shutdown.changed() => break,
            }
        }
        info!(
            "heartbeat stopped after {} beats",
            self.beats.load(Ordering::Relaxed)
        );
    }
}

fn start_heart(server: &mut Server, clock: Arc<Clock>) {
    server.add_service(GenBackgroundService::new("heartbeat".to_owned(), clock));
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
