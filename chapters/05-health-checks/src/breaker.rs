//! A circuit breaker: after failures in a row nothing is sent any more, until one probe shows that it can be.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use log::{info, warn};

/// When to open, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    /// So many failures in a row open it.
    pub(crate) failures: u32,
    /// So long it stays open before a probe may pass.
    pub(crate) open: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Everything passes.
    Closed,
    /// Nothing passes.
    Open,
    /// One request at a time passes, as a probe.
    HalfOpen,
}

impl State {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

/// What `/status` shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) state: State,
    pub(crate) since: Duration,
    pub(crate) why: String,
}

/// One for each thing that can fail as a whole, in an `Arc`: each request under way holds on to it.
#[derive(Debug)]
pub(crate) struct Breaker {
    name: String,
    policy: Policy,
    circuit: Mutex<Circuit>,
}

#[derive(Debug)]
struct Circuit {
    state: State,
    since: Instant,
    why: String,
    /// Failures in a row, while it is closed.
    failures: u32,
    /// Whether a probe is under way, while it is half open.
    probing: bool,
    /// Counts the changes: what began before the last one says nothing about the state that is.
    epoch: u64,
}

/// A request that may be sent. Keep it in CTX until the outcome is known; if it is dropped before, as when the client
/// goes away, a probe makes room for the next.
#[derive(Debug)]
#[must_use = "a probe that is dropped at once proves nothing"]
pub(crate) struct Pass {
    breaker: Arc<Breaker>,
    epoch: u64,
    probe: bool,
}

impl Breaker {
    pub(crate) fn new(name: impl Into<String>, policy: Policy, now: Instant) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            policy,
            circuit: Mutex::new(Circuit {
                state: State::Closed,
                since: now,
                why: "started".to_owned(),
                failures: 0,
                probing: false,
                epoch: 0,
            }),
        })
    }

    /// Lets a request pass.
    ///
    /// # Errors
    /// It does not; the client may come again after so long.
    pub(crate) fn pass(self: &Arc<Self>, now: Instant) -> Result<Pass, Duration> {
        let mut circuit = self.circuit(now);
        let probe = match circuit.state {
            State::Closed => false,
            State::HalfOpen if !circuit.probing => true,
            State::HalfOpen => return Err(self.policy.open),
            State::Open => {
                let open = now.saturating_duration_since(circuit.since);
                return Err(self.policy.open.saturating_sub(open));
            }
        };
        circuit.probing = probe;
        Ok(Pass {
            breaker: Arc::clone(self),
            epoch: circuit.epoch,
            probe,
        })
    }

    /// What `/status` shows.
    pub(crate) fn shown(&self, now: Instant) -> Shown {
        let circuit = self.circuit(now);
        Shown {
            state: circuit.state,
            since: now.saturating_duration_since(circuit.since),
            why: circuit.why.clone(),
        }
    }

    /// As it is now: an open one becomes half open by time alone, so whoever looks first makes the change.
    fn circuit(&self, now: Instant) -> MutexGuard<'_, Circuit> {
        let mut circuit = self.lock();
        let waited = now.saturating_duration_since(circuit.since);
        if circuit.state == State::Open && waited >= self.policy.open {
            let why = format!("open for {} ms", self.policy.open.as_millis());
            self.change(&mut circuit, State::HalfOpen, why, now);
        }
        circuit
    }

    /// Each change is logged here, and nowhere else.
    fn change(&self, circuit: &mut Circuit, state: State, why: String, now: Instant) {
        match state {
            State::Open => warn!("breaker {}: {}: {why}", self.name, state.name()),
            State::Closed | State::HalfOpen => {
                info!("breaker {}: {}: {why}", self.name, state.name());
            }
        }
        *circuit = Circuit {
            state,
            since: now,
            why,
            failures: 0,
            probing: false,
            epoch: circuit.epoch + 1,
        };
    }

    fn lock(&self) -> MutexGuard<'_, Circuit> {
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass {
    /// The upstream answered, and well.
    pub(crate) fn succeed(self, now: Instant) {
        let mut circuit = self.breaker.lock();
        if circuit.epoch != self.epoch {
            return;
        }
        circuit.failures = 0;
        if circuit.state == State::HalfOpen {
            let why = "the probe succeeded".to_owned();
            self.breaker.change(&mut circuit, State::Closed, why, now);
        }
    }

    /// The upstream failed. That a client went away is no failure: drop the pass.
    pub(crate) fn fail(self, why: &str, now: Instant) {
        let mut circuit = self.breaker.lock();
        if circuit.epoch != self.epoch {
            return;
        }
        circuit.failures += 1;
        let why = match circuit.state {
            State::HalfOpen => format!("the probe failed: {why}"),
            _ if circuit.failures >= self.breaker.policy.failures => {
                format!("{} failures in a row, the last: {why}", circuit.failures)
            }
            _ => return,
        };
        self.breaker.change(&mut circuit, State::Open, why, now);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.probe {
            let mut circuit = self.breaker.lock();
            // After an outcome the epoch is another one, and the slot belongs to nobody or somebody else.
            if circuit.epoch == self.epoch {
                circuit.probing = false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn breaker() -> (Arc<Breaker>, Instant) {
        let now = Instant::now();
        let policy = Policy {
            failures: 3,
            open: 100 * MS,
        };
        (Breaker::new("test", policy, now), now)
    }

    fn fail(breaker: &Arc<Breaker>, now: Instant) {
        breaker.pass(now).unwrap().fail("connect refused", now);
    }

    fn open() -> (Arc<Breaker>, Instant) {
        let (breaker, now) = breaker();
        (0..3).for_each(|_| fail(&breaker, now));
        assert_eq!(breaker.shown(now).state, State::Open);
        (breaker, now)
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_between_them_starts_again() {
        let (breaker, now) = breaker();
        for _ in 0..5 {
            fail(&breaker, now);
            fail(&breaker, now);
            breaker.pass(now).unwrap().succeed(now);
        }
        assert_eq!(breaker.shown(now).state, State::Closed);
        (0..3).for_each(|_| fail(&breaker, now));
        let shown = breaker.shown(now + 7 * MS);
        assert_eq!((shown.state, shown.since), (State::Open, 7 * MS));
        assert_eq!(shown.why, "3 failures in a row, the last: connect refused");
    }

    #[test]
    fn an_open_one_says_how_long_it_will_be() {
        let (breaker, now) = open();
        assert_eq!(breaker.pass(now + 40 * MS).unwrap_err(), 60 * MS);
        assert_eq!(breaker.shown(now + 99 * MS).state, State::Open);
        assert_eq!(breaker.shown(now + 100 * MS).state, State::HalfOpen);
    }

    #[test]
    fn one_probe_at_a_time_and_its_success_closes() {
        let (breaker, now) = open();
        let later = now + 100 * MS;
        let probe = breaker.pass(later).unwrap();
        assert!(breaker.pass(later).is_err());
        probe.succeed(later);
        assert_eq!(breaker.shown(later).state, State::Closed);
        assert!(breaker.pass(later).is_ok());
    }

    #[test]
    fn a_probe_that_fails_opens_it_again_for_as_long() {
        let (breaker, now) = open();
        let later = now + 100 * MS;
        fail(&breaker, later);
        assert_eq!(breaker.pass(later + 99 * MS).unwrap_err(), MS);
        assert!(breaker.pass(later + 100 * MS).is_ok());
    }

    #[test]
    fn a_probe_that_is_dropped_makes_room_for_the_next() {
        let (breaker, now) = open();
        let later = now + 100 * MS;
        drop(breaker.pass(later).unwrap());
        let next = breaker.pass(later).unwrap();
        assert!(breaker.pass(later).is_err());
        next.succeed(later);
        assert_eq!(breaker.shown(later).state, State::Closed);
    }

    #[test]
    fn what_began_before_it_opened_changes_nothing() {
        let (breaker, now) = breaker();
        let (good, bad) = (breaker.pass(now).unwrap(), breaker.pass(now).unwrap());
        (0..3).for_each(|_| fail(&breaker, now));
        let later = now + 100 * MS;
        let probe = breaker.pass(later).unwrap();
        good.succeed(later);
        bad.fail("late", later);
        assert_eq!(breaker.shown(later).state, State::HalfOpen);
        assert!(breaker.pass(later).is_err());
        probe.succeed(later);
        assert_eq!(breaker.shown(later).state, State::Closed);
    }

    #[test]
    fn of_many_threads_one_gets_the_probe() {
        let (breaker, now) = open();
        let later = now + 100 * MS;
        let passes: Vec<_> = std::thread::scope(|scope| {
            let threads = [(); 8].map(|()| scope.spawn(|| breaker.pass(later)));
            threads.map(|thread| thread.join().unwrap()).into()
        });
        assert_eq!(passes.iter().filter(|pass| pass.is_ok()).count(), 1);
    }
}
