//! The load. Open loop: requests come when their time has come, whether the ones before were answered or not, as they
//! do from people who know nothing of one another. A request's latency counts from then on, so that a stall is paid
//! for by every request that came in it.
//!
//! Closed loop, as wrk and h2load do: a client that waits for an answer sends nothing, and a stall of a second is seen
//! by one request of each client. That is good for counting, and wrong for percentiles: "coordinated omission".

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::{sync::Semaphore, task::JoinSet};

use crate::{
    client::{Connection, Failure},
    percentiles::Latencies,
};

/// What came of a load.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) latencies: Latencies,
    pub(crate) failed: usize,
    /// One of the failures, in words.
    pub(crate) failure: Option<String>,
}

/// When each request is due.
struct Schedule {
    start: Instant,
    interval: Duration,
    requests: usize,
    /// The next request that nobody has taken yet.
    next: AtomicUsize,
    /// One for each request that is due.
    due: Semaphore,
}

impl Schedule {
    fn new(rate: f64, duration: Duration) -> Self {
        let requests = (rate * duration.as_secs_f64()).round().max(1.0);
        Self {
            start: Instant::now(),
            interval: Duration::from_secs_f64(1.0 / rate),
            requests: requests as usize,
            next: AtomicUsize::new(0),
            due: Semaphore::new(0),
        }
    }

    /// The time of a request, by its number.
    fn time_of(&self, number: usize) -> Instant {
        self.start + self.interval.mul_f64(number as f64)
    }

    /// Says when requests are due. On a thread of its own: Tokio's timer counts in milliseconds.
    fn keep(&self, clients: usize) {
        for number in 0..self.requests {
            let wait = self.time_of(number).duration_since(Instant::now());
            if !wait.is_zero() {
                thread::sleep(wait);
            }
            self.due.add_permits(1);
        }
        // Each client learns that there is none left.
        self.due.add_permits(clients);
    }

    /// Waits for a request that is due, and takes it; `None` once there is none left.
    async fn take(&self) -> Option<Instant> {
        self.due.acquire().await.ok()?.forget();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (number < self.requests).then(|| self.time_of(number))
    }
}

/// Sends requests at a fixed rate over these connections. Where all of them are busy, the next request waits for one,
/// and its waiting counts.
pub(crate) async fn open_loop(
    connections: Vec<Connection>,
    path: &'static str,
    rate: f64,
    duration: Duration,
) -> Outcome {
    let schedule = Arc::new(Schedule::new(rate, duration));
    let clock = Arc::clone(&schedule);
    let count = connections.len();
    let clock = thread::spawn(move || clock.keep(count));
    let mut clients = JoinSet::new();
    for connection in connections {
        clients.spawn(follow(connection, path, Arc::clone(&schedule)));
    }
    let outcome = join(clients).await;
    // It has ended: each client took its last request from it.
    _ = clock.join();
    outcome
}

async fn follow(mut connection: Connection, path: &str, schedule: Arc<Schedule>) -> Seen {
    let mut seen = Seen::default();
    while let Some(due) = schedule.take().await {
        let answer = connection.get(path).await;
        seen.add(answer, due.elapsed());
    }
    seen
}

/// Each connection sends so many requests, one as soon as the one before was answered.
pub(crate) async fn closed_loop(
    connections: Vec<Connection>,
    path: &'static str,
    requests: usize,
) -> Outcome {
    let mut clients = JoinSet::new();
    for mut connection in connections {
        clients.spawn(async move {
            let mut seen = Seen::default();
            for _ in 0..requests {
                let sent = Instant::now();
                let answer = connection.get(path).await;
                seen.add(answer, sent.elapsed());
            }
            seen
        });
    }
    join(clients).await
}

/// What one client saw.
#[derive(Default)]
struct Seen {
    latencies: Vec<Duration>,
    failed: usize,
    failure: Option<String>,
}

impl Seen {
    fn add(&mut self, answer: Result<u64, Failure>, latency: Duration) {
        match answer {
            Ok(_) => self.latencies.push(latency),
            Err(failure) => {
                self.failed += 1;
                self.failure = Some(failure.to_string());
            }
        }
    }
}

async fn join(mut clients: JoinSet<Seen>) -> Outcome {
    let mut all = Seen::default();
    while let Some(seen) = clients.join_next().await {
        let seen = seen.unwrap_or_else(|error| Seen {
            failed: 1,
            failure: Some(error.to_string()),
            ..Seen::default()
        });
        all.latencies.extend(seen.latencies);
        all.failed += seen.failed;
        all.failure = all.failure.or(seen.failure);
    }
    Outcome {
        latencies: Latencies::new(all.latencies),
        failed: all.failed,
        failure: all.failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_does_not_wait_for_answers() {
        let schedule = Schedule::new(1_000.0, Duration::from_secs(2));
        assert_eq!(schedule.requests, 2_000);
        let last = schedule.time_of(1_999) - schedule.start;
        assert_eq!(last.as_millis(), 1_999);
    }

    #[tokio::test]
    async fn what_is_taken_late_was_due_early() {
        let schedule = Schedule::new(1_000.0, Duration::from_millis(3));
        schedule.keep(1);
        let mut due = Vec::new();
        while let Some(time) = schedule.take().await {
            due.push(time);
        }
        assert_eq!(due.len(), 3);
        assert_eq!(due.first(), Some(&schedule.start));
        assert!(due.iter().all(|time| *time <= Instant::now()));
    }

    #[tokio::test]
    async fn failures_are_counted_and_are_no_latencies() {
        let mut seen = Seen::default();
        seen.add(Ok(1), Duration::from_millis(1));
        seen.add(Err(Failure::Broken("gone".to_owned())), Duration::ZERO);
        let mut clients = JoinSet::new();
        clients.spawn(async { seen });
        let outcome = join(clients).await;
        assert_eq!((outcome.latencies.count(), outcome.failed), (1, 1));
        assert_eq!(outcome.failure.as_deref(), Some("gone"));
    }
}
