//! SIGINT and SIGTERM.

use std::io;
use std::process;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that end a process. As process 1 of a container they do nothing unless they are caught.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(crate) fn catch() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    pub(crate) async fn first(&mut self) {
        tokio::select! { _ = self.interrupt.recv() => {}, _ = self.terminate.recv() => {} }
    }

    /// Whoever sends another one does not want to wait for what is in flight.
    pub(crate) async fn leave_at_the_next(mut self) {
        self.first().await;
        process::exit(1)
    }
}
