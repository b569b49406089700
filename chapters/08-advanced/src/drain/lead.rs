//! From the first signal to the end of the process.

use std::{io, path::Path, process::exit, sync::atomic::Ordering, time::Duration};

use async_trait::async_trait;
use log::{error, info, warn};
use pingora::server::{ExecutionPhase, RunArgs, Server, ShutdownSignal, ShutdownSignalWatch};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::broadcast::{Receiver, error::RecvError},
    time::{sleep, timeout},
};

use super::{Drain, State, supervisor};

/// How often is looked at what is in flight, once this process leaves.
const LOOK: Duration = Duration::from_millis(10);
/// Connections that were accepted last may be in their handshake, where nobody counts them.
const LAST_HANDSHAKES: Duration = Duration::from_secs(1);
/// For connections that nothing is in flight on, and that have yet to hear of the end.
const GOODBYES: Duration = Duration::from_secs(1);
/// A new process that was started a moment ago may not wait for the sockets yet.
const FOR_SUCCESSOR: Duration = Duration::from_secs(5);

impl Drain {
    /// Runs the server until it has left.
    pub(crate) fn run(self, server: Server) -> ! {
        supervisor::write_pid(&self.pid_file);
        let phases = server.watch_execution_phase();
        let shutdown_signal = Box::new(Lead {
            drain: self,
            phases,
        });
        server.run(RunArgs { shutdown_signal });
        leave()
    }

    /// Pingora sleeps through its grace period whatever is in flight. This ends the process before.
    async fn follow(self, hands_over: bool, phases: Receiver<ExecutionPhase>) {
        let limit = if hands_over {
            self.limits.handover
        } else {
            self.limits.stop
        };
        let over = async {
            if hands_over {
                handed_over(&self.state).await;
            } else {
                drained(&self.state).await;
            }
        };
        self.state.begin_to_leave(hands_over, phases).await;
        if timeout(limit, over).await.is_ok() {
            info!("nothing is in flight: leaving");
        } else {
            let requests = self.state.requests.load(Ordering::Acquire);
            warn!("{requests} requests are still in flight after {limit:?}, and are cut off");
        }
    }
}

fn leave() -> ! {
    log::logger().flush();
    exit(0)
}

impl State {
    /// Returns when Pingora has told its services to stop listening.
    async fn begin_to_leave(&self, hands_over: bool, mut phases: Receiver<ExecutionPhase>) {
        if hands_over {
            // Five seconds lie between this phase and the end of listening (pingora-core, server/mod.rs). A client
            // that is told to close now comes back to the new process.
            wait_for(&mut phases, |it| {
                matches!(it, ExecutionPhase::GracefulUpgradeCloseTimeout)
            })
            .await;
        }
        self.leaving.store(true, Ordering::Release);
        wait_for(&mut phases, |it| {
            matches!(it, ExecutionPhase::ShutdownGracePeriod)
        })
        .await;
    }
}

/// Pingora closes idle connections of HTTP/1 by itself, and says GOAWAY on those of HTTP/2.
async fn drained(state: &State) {
    while !(state.has_closed() && state.is_idle()) {
        sleep(LOOK).await;
    }
    // A client of HTTP/2 that is there answers at once, and the connection ends. One that is gone never does.
    _ = timeout(GOODBYES, disconnected(state)).await;
}

/// What is idle is kept: its client may have sent a request in this moment, and would lose it.
async fn handed_over(state: &State) {
    while !state.has_closed() {
        sleep(LOOK).await;
    }
    sleep(LAST_HANDSHAKES).await;
    disconnected(state).await;
}

async fn disconnected(state: &State) {
    while state.has_connections() {
        sleep(LOOK).await;
    }
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

/// Stands between the signals and Pingora, which takes no note of a second one.
struct Lead {
    drain: Drain,
    phases: Receiver<ExecutionPhase>,
}

#[async_trait]
impl ShutdownSignalWatch for Lead {
    /// Called once, when the services have been started.
    async fn recv(&self) -> ShutdownSignal {
        let mut signals = match Signals::catch() {
            Ok(signals) => signals,
            Err(error) => {
                error!("cannot catch signals: {error}");
                return ShutdownSignal::FastShutdown;
            }
        };
        supervisor::tell(&format!("READY=1\nMAINPID={}", std::process::id()));
        let signal = signals.first(&self.drain.upgrade_sock).await;
        let hands_over = match signal {
            ShutdownSignal::FastShutdown => return signal,
            ShutdownSignal::GracefulTerminate => false,
            ShutdownSignal::GracefulUpgrade => true,
        };
        if hands_over {
            self.drain.state.handing_over.store(true, Ordering::Release);
        } else {
            supervisor::tell("STOPPING=1");
            self.drain.state.leaving.store(true, Ordering::Release);
        }
        let followed = self
            .drain
            .clone()
            .follow(hands_over, self.phases.resubscribe());
        // A thread of its own runs it: the one that calls this goes to sleep.
        tokio::spawn(async move {
            tokio::select! {
                () = followed => {}
                () = signals.next() => warn!("told to leave at once"),
            }
            leave()
        });
        signal
    }
}

struct Signals {
    interrupt: Signal,
    quit: Signal,
    terminate: Signal,
}

impl Signals {
    fn catch() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.quit.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    async fn first(&mut self, upgrade_sock: &Path) -> ShutdownSignal {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return ShutdownSignal::FastShutdown,
                _ = self.terminate.recv() => return ShutdownSignal::GracefulTerminate,
                _ = self.quit.recv() => {
                    if has_successor(upgrade_sock).await {
                        return ShutdownSignal::GracefulUpgrade;
                    }
                    warn!("no new process waits at {}: staying", upgrade_sock.display());
                }
            }
        }
    }
}

/// Pingora leaves also if nobody took the sockets, and then nobody listens. Who waits for them has bound this one.
async fn has_successor(upgrade_sock: &Path) -> bool {
    let waits = async {
        while !upgrade_sock.exists() {
            sleep(LOOK).await;
        }
    };
    timeout(FOR_SUCCESSOR, waits).await.is_ok()
}
