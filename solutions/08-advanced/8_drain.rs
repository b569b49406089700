//! 8.8 Drain: at SIGTERM everything in flight is finished, and the process leaves as soon as nothing is.

use std::{
    net::SocketAddr,
    process::exit,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use env_logger::Env;
use pingora::{
    Error,
    ErrorType::HTTPStatus,
    Result,
    http::ResponseHeader,
    prelude::HttpPeer,
    proxy::{ProxyHttp, Session, http_proxy_service},
    server::{
        RunArgs, Server, ShutdownSignal, ShutdownSignalWatch, UnixShutdownSignalWatch,
        configuration::{Opt, ServerConf},
    },
};
use tokio::time::{sleep, timeout};

/// How often is looked at what is in flight, once the process leaves.
const LOOK: Duration = Duration::from_millis(10);

/// What is in flight, and whether this process is about to leave.
#[derive(Default)]
struct Drain {
    leaving: AtomicBool,
    in_flight: AtomicUsize,
}

// TODO 8.8: what is there for as long as a request is, and gives it back however it ends?
/// One request in flight. Dropping it gives it back, whatever became of the request.
struct InFlight(Arc<Drain>);

impl InFlight {
    fn begin(drain: &Arc<Drain>) -> Self {
        drain.in_flight.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(drain))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}
// END TODO

struct Edge {
    upstreams: Vec<SocketAddr>,
    drain: Arc<Drain>,
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = InFlight;

    /// Runs when the header of a request was read (pingora-proxy, lib.rs): an idle connection has no context.
    fn new_ctx(&self) -> InFlight {
        // TODO 8.8: the request begins.
        InFlight::begin(&self.drain)
        // END TODO
    }

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        _in_flight: &mut InFlight,
    ) -> Result<Box<HttpPeer>> {
        let Some(upstream) = self.upstreams.first() else {
            return Error::e_explain(HTTPStatus(502), "there is no upstream");
        };
        let mut peer = HttpPeer::new(upstream, false, String::new());
        peer.options.connection_timeout = Some(Duration::from_secs(3));
        peer.options.read_timeout = Some(Duration::from_secs(30));
        Ok(Box::new(peer))
    }

    // TODO 8.8: the header of an answer is about to be sent. Is the request over? Is its connection kept alive?
    async fn response_filter(
        &self,
        session: &mut Session,
        _response: &mut ResponseHeader,
        _in_flight: &mut InFlight,
    ) -> Result<()> {
        if self.drain.leaving.load(Ordering::Acquire) {
            session.set_keepalive(None);
        }
        Ok(())
    }
    // END TODO
}

/// Stands between the signals and Pingora.
struct Signals {
    drain: Arc<Drain>,
    limit: Duration,
}

#[async_trait]
impl ShutdownSignalWatch for Signals {
    /// What this returns, Pingora does: at `GracefulTerminate` it closes its listeners and what is idle, and then sleeps
    /// through its grace period (pingora-core, server/mod.rs).
    async fn recv(&self) -> ShutdownSignal {
        let signal = UnixShutdownSignalWatch.recv().await;
        if matches!(signal, ShutdownSignal::GracefulTerminate) {
            self.drain.leaving.store(true, Ordering::Release);
            let (drain, limit) = (Arc::clone(&self.drain), self.limit);
            // A task: Pingora goes on as soon as this function returns, and its thread goes to sleep.
            tokio::spawn(async move {
                tokio::select! {
                    () = drained(&drain, limit) => {}
                    _ = UnixShutdownSignalWatch.recv() => log::warn!("told to leave at once"),
                }
                log::logger().flush();
                exit(0)
            });
        }
        signal
    }
}

/// Waits until nothing is in flight, as long as the limit allows.
async fn drained(drain: &Drain, limit: Duration) {
    let over = async {
        // Slept first: a request whose header was read a moment ago may not have its context yet.
        sleep(LOOK).await;
        while drain.in_flight.load(Ordering::Acquire) > 0 {
            sleep(LOOK).await;
        }
    };
    match timeout(limit, over).await {
        Ok(()) => log::info!("nothing is in flight: leaving"),
        Err(_) => log::warn!("{limit:?} are over: what is in flight is cut off"),
    }
}

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let upstreams = upstreams::from_env();
    let limit = milliseconds("DRAIN_MS", 10_000);

    let conf = ServerConf {
        // Slept in full by Pingora, however idle it is.
        grace_period_seconds: Some(limit.as_secs() + 1),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(Opt::parse_args(), conf);
    server.bootstrap();

    let drain = Arc::new(Drain::default());
    let edge = Edge {
        upstreams,
        drain: Arc::clone(&drain),
    };
    let mut proxy = http_proxy_service(&server.configuration, edge);
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -s 'http://{listen}/drip/5?every=1000'");
    if let Ok(path) = std::env::var("PID_FILE") {
        write_pid(&path);
    }
    let shutdown_signal = Box::new(Signals { drain, limit });
    server.run(RunArgs { shutdown_signal });
}

/// Pingora writes one only as a daemon.
fn write_pid(path: &str) {
    if let Err(error) = std::fs::write(path, format!("{}\n", std::process::id())) {
        eprintln!("PID_FILE: cannot write {path}: {error}");
        exit(2)
    }
}

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
            exit(2)
        }
    }
}
