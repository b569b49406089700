//! Adds up the time that the proxy itself takes.

use std::time::{Duration, Instant};

/// Runs, or stands still while somebody else is waited for.
pub(crate) struct Stopwatch {
    sum: Duration,
    running: Option<Instant>,
}

impl Stopwatch {
    pub(crate) fn started(at: Instant) -> Self {
        Self {
            sum: Duration::ZERO,
            running: Some(at),
        }
    }

    pub(crate) fn pause(&mut self) {
        if let Some(since) = self.running.take() {
            self.sum += since.elapsed();
        }
    }

    pub(crate) fn resume(&mut self) {
        self.running.get_or_insert_with(Instant::now);
    }

    pub(crate) fn read(&self) -> Duration {
        let running = self.running.map_or(Duration::ZERO, |it| it.elapsed());
        self.sum + running
    }
}
