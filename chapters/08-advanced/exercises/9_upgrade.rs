//! 8.9 Upgrade: a new process takes the sockets over, and no client of the old one loses a request.

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
    proxy::{ProxyHttp, Session, http_proxy},
    server::{
        ExecutionPhase, RunArgs, Server, ShutdownSignal, ShutdownSignalWatch,
        UnixShutdownSignalWatch,
        configuration::{Opt, ServerConf},
    },
    services::listening::Service,
};
// TODO 8.9: what more do you need?
// Nothing so far.
// END TODO
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{sleep, timeout},
};

/// How often is looked at what is in flight, once the process leaves.
const LOOK: Duration = Duration::from_millis(10);
/// What is in flight may take this long after SIGTERM, and this long once a new process has the sockets.
const STOP: Duration = Duration::from_secs(10);
const HANDOVER: Duration = Duration::from_secs(60);

// TODO 8.9: what else has to be known, and what keeps Pingora from closing what is idle?
/// What is in flight, and whether this process is about to leave.
#[derive(Default)]
struct Drain {
    leaving: AtomicBool,
    in_flight: AtomicUsize,
}
// END TODO

/// One request in flight. Dropping it gives it back, whatever became of the request.
struct InFlight(Arc<Drain>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

struct Edge {
    upstreams: Vec<SocketAddr>,
    drain: Arc<Drain>,
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = InFlight;

    fn new_ctx(&self) -> InFlight {
        self.drain.in_flight.fetch_add(1, Ordering::AcqRel);
        InFlight(Arc::clone(&self.drain))
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
}

/// Stands between the signals and Pingora.
struct Signals {
    drain: Arc<Drain>,
    phases: Receiver<ExecutionPhase>,
}

#[async_trait]
impl ShutdownSignalWatch for Signals {
    async fn recv(&self) -> ShutdownSignal {
        let signal = UnixShutdownSignalWatch.recv().await;
        let drain = Arc::clone(&self.drain);
        let phases = self.phases.resubscribe();
        match signal {
            ShutdownSignal::FastShutdown => {}
            ShutdownSignal::GracefulTerminate => {
                drain.leaving.store(true, Ordering::Release);
                tokio::spawn(async move { leave_after(STOP, drained(&drain)).await });
            }
            ShutdownSignal::GracefulUpgrade => {
                tokio::spawn(
                    async move { leave_after(HANDOVER, handed_over(&drain, phases)).await },
                );
            }
        }
        signal
    }
}

async fn leave_after(limit: Duration, over: impl Future<Output = ()>) {
    tokio::select! {
        outcome = timeout(limit, over) => match outcome {
            Ok(()) => log::info!("nothing is in flight: leaving"),
            Err(_) => log::warn!("{limit:?} are over: what is in flight is cut off"),
        },
        _ = UnixShutdownSignalWatch.recv() => log::warn!("told to leave at once"),
    }
    log::logger().flush();
    exit(0)
}

async fn drained(drain: &Drain) {
    sleep(LOOK).await;
    while drain.in_flight.load(Ordering::Acquire) > 0 {
        sleep(LOOK).await;
    }
}

/// Pingora gives the sockets to the new process (`GracefulUpgradeCloseTimeout`), sleeps for 5 s in which both accept, and
/// then stops to listen (`ShutdownGracePeriod`; pingora-core, server/mod.rs).
async fn handed_over(drain: &Drain, mut phases: Receiver<ExecutionPhase>) {
    // TODO 8.9: from when on are clients told to close, and when may this process leave?
    // As at SIGTERM, once nothing listens any more.
    wait_for(&mut phases, |it| {
        matches!(it, ExecutionPhase::ShutdownGracePeriod)
    })
    .await;
    drain.leaving.store(true, Ordering::Release);
    drained(drain).await;
    // END TODO
}

/// Also returns if the server has ended.
async fn wait_for(phases: &mut Receiver<ExecutionPhase>, is_it: impl Fn(&ExecutionPhase) -> bool) {
    loop {
        match phases.recv().await {
            Ok(phase) if is_it(&phase) => return,
            Err(RecvError::Closed) => return,
            Ok(_) | Err(RecvError::Lagged(_)) => {}
        }
    }
}

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let upstreams = upstreams::from_env();

    let port = listen.rsplit(':').next().unwrap_or_default();
    let conf = ServerConf {
        // Pingora's default is one for all servers of the machine.
        upgrade_sock: format!("/tmp/edge-{port}.sock"),
        grace_period_seconds: Some(HANDOVER.as_secs() + 1),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(Opt::parse_args(), conf);
    // With `-u` this waits for the sockets of the old process.
    server.bootstrap();

    let drain = Arc::new(Drain::default());
    let edge = Edge {
        upstreams,
        drain: Arc::clone(&drain),
    };
    let app = http_proxy(&server.configuration, edge);
    // TODO 8.9: is this what the connections are to be given to?
    // Pingora's own app.
    // END TODO
    let mut proxy = Service::new("proxy".to_owned(), app);
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    println!("Listening on http://{listen}");
    if let Ok(path) = std::env::var("PID_FILE") {
        write_pid(&path);
    }
    let phases = server.watch_execution_phase();
    let shutdown_signal = Box::new(Signals { drain, phases });
    server.run(RunArgs { shutdown_signal });
}

/// Pingora writes one only as a daemon.
fn write_pid(path: &str) {
    if let Err(error) = std::fs::write(path, format!("{}\n", std::process::id())) {
        log::warn!("cannot write {path}: {error}");
    }
}
