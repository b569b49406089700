//! Passive ejection: who fails so many requests in a row gets none for a while, and then a few more each moment.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use log::{info, warn};
use pingora::{
    Error, ErrorSource,
    ErrorType::{HTTPStatus, ReadTimedout},
};

/// With this share of its turns a backend comes back, in thousandths.
const SHARE_AT_RETURN: u64 = 100;
const WHOLE_SHARE: u64 = 1000;

/// When to eject, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    /// So many failures in a row eject a backend.
    pub(crate) failures: u32,
    /// The first cool-down; each further one is twice as long.
    pub(crate) cool_down: Duration,
    pub(crate) longest: Duration,
    /// Who stays in for so long begins with the first cool-down again.
    pub(crate) forget: Duration,
    /// From its return to its whole share.
    pub(crate) slow_return: Duration,
    /// If fewer of a hundred backends are in, all are used.
    pub(crate) panic_percent: usize,
    /// Which statuses are failures: [`cannot_work`], or what your services mean by theirs.
    pub(crate) is_failure: fn(u16) -> bool,
}

/// Why a request failed, if its upstream is to blame.
///
/// A client that went away is no failure, and neither is an error of the proxy itself. Nor is a time-out while the
/// client still uploads (`sent_whole` is false): the upstream waits too.
pub(crate) fn blame(error: &Error, sent_whole: bool) -> Option<String> {
    match (error.esource(), error.etype()) {
        (ErrorSource::Upstream, HTTPStatus(_)) => None,
        (ErrorSource::Upstream, ReadTimedout) if !sent_whole => None,
        (ErrorSource::Upstream, failure) => Some(failure.as_str().to_owned()),
        _ => None,
    }
}

/// Statuses that say that the server, or what is behind it, cannot do its work. 500 may be the fault of the one
/// request, 501 and 505 of the client (RFC 9110, section 15.6).
pub(crate) fn cannot_work(status: u16) -> bool {
    [502, 503, 504].contains(&status)
}

/// The backends, and what their answers said of them.
#[derive(Debug)]
pub(crate) struct Outliers {
    policy: Policy,
    fleet: Mutex<Fleet>,
}

#[derive(Debug)]
struct Fleet {
    backends: BTreeMap<SocketAddr, Backend>,
    panicking: bool,
}

#[derive(Debug)]
struct Backend {
    state: State,
    since: Instant,
    why: String,
    /// What the active checks say.
    healthy: bool,
    /// In a row.
    failures: u32,
    /// How often it was ejected without staying in for long enough since.
    ejections: u32,
    /// Counts the ejections for good: what began before the last one says nothing of the backend as it is.
    epoch: u64,
    /// What it has gathered of its next turn, in thousandths.
    credit: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    In,
    Out {
        cool_down: Duration,
    },
    /// It was out, and has not its whole share yet.
    Returning,
}

/// A request on its way to a backend. Keep it in CTX, and report once what came of it; drop it if nobody is to blame.
#[derive(Debug)]
#[must_use = "an attempt that is not reported is not counted"]
pub(crate) struct Attempt {
    backend: SocketAddr,
    epoch: u64,
}

/// A backend as `/status` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) backend: SocketAddr,
    /// `in`, `out` or `returning`.
    pub(crate) state: &'static str,
    pub(crate) since: Duration,
    pub(crate) why: String,
    /// How much of its turns it takes, in percent.
    pub(crate) share: u64,
    /// How long it is out in all, if it is.
    pub(crate) cool_down: Option<Duration>,
}

impl Attempt {
    pub(crate) fn backend(&self) -> SocketAddr {
        self.backend
    }
}

impl Outliers {
    pub(crate) fn new(
        policy: Policy,
        backends: impl IntoIterator<Item = SocketAddr>,
        now: Instant,
    ) -> Self {
        let backend = |address| (address, Backend::new(now));
        Self {
            policy,
            fleet: Mutex::new(Fleet {
                backends: backends.into_iter().map(backend).collect(),
                panicking: false,
            }),
        }
    }

    /// Whether a backend takes its turn: not if it is out, and a returning one leaves some turns to others. For
    /// `LoadBalancer::select_with`; if everybody leaves the turn, [`Outliers::is_in`] is the second question.
    pub(crate) fn admits(&self, address: SocketAddr, now: Instant) -> bool {
        let mut fleet = self.fleet(now);
        let panicking = fleet.panicking;
        let backend = fleet.backends.get_mut(&address);
        backend.is_some_and(|it| panicking || (it.is_in() && it.takes_turn(&self.policy, now)))
    }

    /// Whether a backend can be used at all.
    pub(crate) fn is_in(&self, address: SocketAddr, now: Instant) -> bool {
        let fleet = self.fleet(now);
        let backend = fleet.backends.get(&address);
        backend.is_some_and(|it| fleet.panicking || it.is_in())
    }

    /// A request goes there now.
    pub(crate) fn attempt(&self, address: SocketAddr, now: Instant) -> Option<Attempt> {
        let fleet = self.fleet(now);
        let backend = fleet.backends.get(&address)?;
        Some(Attempt {
            backend: address,
            epoch: backend.epoch,
        })
    }

    /// The upstream answered, and well, to the end.
    pub(crate) fn succeeded(&self, attempt: &Attempt, now: Instant) {
        let mut fleet = self.fleet(now);
        if let Some(backend) = fleet.of(attempt) {
            backend.failures = 0;
        }
    }

    /// Why an answer is a failure, if the policy says so.
    pub(crate) fn blame_status(&self, status: u16) -> Option<String> {
        (self.policy.is_failure)(status).then(|| format!("status {status}"))
    }

    /// The upstream failed; `why` comes from [`blame`] or [`Outliers::blame_status`].
    pub(crate) fn failed(&self, attempt: &Attempt, why: &str, now: Instant) {
        let mut fleet = self.fleet(now);
        let Some(backend) = fleet.of(attempt) else {
            return;
        };
        // Out already, and used only because too many are: its cool-down runs.
        if matches!(backend.state, State::Out { .. }) {
            return;
        }
        backend.failures = backend.failures.saturating_add(1);
        if backend.failures >= self.policy.failures {
            backend.eject(attempt.backend, &self.policy, why, now);
            fleet.watch_panic(self.policy.panic_percent);
        }
    }

    /// What an active check found. The panic threshold counts a backend as in only if it is healthy too.
    pub(crate) fn checked(&self, address: SocketAddr, healthy: bool, now: Instant) {
        let mut fleet = self.fleet(now);
        if let Some(backend) = fleet.backends.get_mut(&address) {
            backend.healthy = healthy;
            fleet.watch_panic(self.policy.panic_percent);
        }
    }

    /// Whether so many are out that all are used.
    pub(crate) fn panicking(&self, now: Instant) -> bool {
        self.fleet(now).panicking
    }

    /// What `/status` shows.
    pub(crate) fn shown(&self, now: Instant) -> Vec<Shown> {
        let fleet = self.fleet(now);
        let shown = |(address, backend): (&SocketAddr, &Backend)| Shown {
            backend: *address,
            state: backend.state.name(),
            since: now.saturating_duration_since(backend.since),
            why: backend.why.clone(),
            share: backend.share(&self.policy, now) * 100 / WHOLE_SHARE,
            cool_down: match backend.state {
                State::Out { cool_down } => Some(cool_down),
                State::In | State::Returning => None,
            },
        };
        fleet.backends.iter().map(shown).collect()
    }

    /// As it is now: cool-downs end by time alone, so whoever looks first makes the change.
    fn fleet(&self, now: Instant) -> MutexGuard<'_, Fleet> {
        let mut fleet = self.fleet.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = false;
        for (address, backend) in &mut fleet.backends {
            changed |= backend.advance(*address, &self.policy, now);
        }
        if changed {
            fleet.watch_panic(self.policy.panic_percent);
        }
        fleet
    }
}

impl Fleet {
    /// The backend of an attempt, unless it was ejected since the attempt began.
    fn of(&mut self, attempt: &Attempt) -> Option<&mut Backend> {
        let backend = self.backends.get_mut(&attempt.backend)?;
        (backend.epoch == attempt.epoch).then_some(backend)
    }

    /// With too few left in, those would break down next: then all are used, also those that are out.
    fn watch_panic(&mut self, percent: usize) {
        let all = self.backends.len();
        let up = self.backends.values();
        let up = up.filter(|it| it.is_in()).count();
        let panicking = up == 0 || up * 100 < all * percent;
        if panicking != self.panicking {
            self.panicking = panicking;
            match panicking {
                true => warn!("panic: {up} of {all} backends are in, so all are used"),
                false => info!("no panic: {up} of {all} backends are in"),
            }
        }
    }
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out { .. } => "out",
            Self::Returning => "returning",
        }
    }
}

impl Backend {
    fn new(now: Instant) -> Self {
        Self {
            state: State::In,
            since: now,
            why: "started".to_owned(),
            healthy: true,
            failures: 0,
            ejections: 0,
            epoch: 0,
            credit: 0,
        }
    }

    fn is_in(&self) -> bool {
        self.healthy && !matches!(self.state, State::Out { .. })
    }

    fn eject(&mut self, address: SocketAddr, policy: &Policy, why: &str, now: Instant) {
        let doubled = 1u32.checked_shl(self.ejections).unwrap_or(u32::MAX);
        let cool_down = policy.cool_down.saturating_mul(doubled).min(policy.longest);
        self.ejections = self.ejections.saturating_add(1);
        self.epoch += 1;
        let why = format!("{} failures in a row, the last: {why}", self.failures);
        warn!("{address} is out for {} ms: {why}", cool_down.as_millis());
        self.change(State::Out { cool_down }, why, now);
    }

    /// What time alone changes. Says whether one is in that was not.
    fn advance(&mut self, address: SocketAddr, policy: &Policy, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.since);
        if !matches!(self.state, State::Out { .. }) && elapsed >= policy.forget {
            self.ejections = 0;
        }
        match self.state {
            State::Out { cool_down } if elapsed >= cool_down => {
                let why = format!("was out for {} ms", cool_down.as_millis());
                info!("{address} returns: {why}");
                self.change(State::Returning, why, now);
                true
            }
            State::Returning if elapsed >= policy.slow_return => {
                info!("{address} is in: it has its whole share again");
                // Since when it is in, it is since its return; the ramp is no news.
                self.state = State::In;
                false
            }
            _ => false,
        }
    }

    fn change(&mut self, state: State, why: String, now: Instant) {
        self.state = state;
        self.since = now;
        self.why = why;
        self.failures = 0;
        self.credit = 0;
    }

    /// Its share of its turns, in thousandths: grows with time since the return.
    fn share(&self, policy: &Policy, now: Instant) -> u64 {
        match self.state {
            State::In => WHOLE_SHARE,
            State::Out { .. } => 0,
            State::Returning => {
                let ramp = policy.slow_return.as_micros().max(1);
                let elapsed = now.saturating_duration_since(self.since).as_micros();
                let grown = u128::from(WHOLE_SHARE) * elapsed / ramp;
                let grown = u64::try_from(grown).unwrap_or(WHOLE_SHARE);
                grown.clamp(SHARE_AT_RETURN, WHOLE_SHARE)
            }
        }
    }

    /// Gathers its share each time its turn comes, and takes the turn when that makes a whole one: no chance in it.
    fn takes_turn(&mut self, policy: &Policy, now: Instant) -> bool {
        self.credit += self.share(policy, now);
        let takes = self.credit >= WHOLE_SHARE;
        if takes {
            self.credit -= WHOLE_SHARE;
        }
        takes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pingora::ErrorType::{ConnectRefused, ConnectionClosed, WriteError};

    const MS: Duration = Duration::from_millis(1);
    const POLICY: Policy = Policy {
        failures: 3,
        cool_down: Duration::from_millis(100),
        longest: Duration::from_millis(350),
        forget: Duration::from_millis(2000),
        slow_return: Duration::from_millis(1000),
        panic_percent: 50,
        is_failure: cannot_work,
    };

    fn backend(number: u16) -> SocketAddr {
        ([127, 0, 0, 1], number).into()
    }

    fn fleet(count: u16) -> (Outliers, Instant) {
        let now = Instant::now();
        (Outliers::new(POLICY, (0..count).map(backend), now), now)
    }

    fn fail(outliers: &Outliers, number: u16, times: usize, now: Instant) {
        for _ in 0..times {
            let attempt = outliers.attempt(backend(number), now).unwrap();
            outliers.failed(&attempt, "connect refused", now);
        }
    }

    fn succeed(outliers: &Outliers, number: u16, now: Instant) {
        let attempt = outliers.attempt(backend(number), now).unwrap();
        outliers.succeeded(&attempt, now);
    }

    fn shown(outliers: &Outliers, number: u16, now: Instant) -> Shown {
        let mut all = outliers.shown(now).into_iter();
        all.find(|it| it.backend == backend(number)).unwrap()
    }

    fn cool_down(outliers: &Outliers, number: u16, now: Instant) -> Option<Duration> {
        shown(outliers, number, now).cool_down
    }

    #[test]
    fn failures_in_a_row_eject_and_a_success_between_them_starts_again() {
        let (outliers, now) = fleet(3);
        for _ in 0..5 {
            fail(&outliers, 0, 2, now);
            succeed(&outliers, 0, now);
        }
        assert!(outliers.admits(backend(0), now));
        fail(&outliers, 0, 3, now);
        assert!(!outliers.admits(backend(0), now));
        let shown = shown(&outliers, 0, now + 7 * MS);
        assert_eq!((shown.state, shown.since, shown.share), ("out", 7 * MS, 0));
        assert_eq!(shown.why, "3 failures in a row, the last: connect refused");
    }

    #[test]
    fn each_cool_down_is_twice_as_long_up_to_the_longest() {
        let (outliers, mut now) = fleet(3);
        for expected in [100, 200, 350, 350] {
            fail(&outliers, 0, 3, now);
            assert_eq!(cool_down(&outliers, 0, now), Some(expected * MS));
            assert!(!outliers.is_in(backend(0), now + (expected - 1) * MS));
            now += expected * MS;
            assert!(outliers.is_in(backend(0), now));
        }
    }

    #[test]
    fn who_stayed_in_for_long_begins_anew() {
        let (outliers, mut now) = fleet(3);
        fail(&outliers, 0, 3, now);
        now += 100 * MS;
        fail(&outliers, 0, 3, now);
        now += 200 * MS;
        succeed(&outliers, 0, now);
        now += POLICY.forget;
        fail(&outliers, 0, 3, now);
        assert_eq!(cool_down(&outliers, 0, now), Some(100 * MS));
    }

    #[test]
    fn a_returning_backend_takes_a_share_that_grows() {
        let (outliers, now) = fleet(3);
        fail(&outliers, 0, 3, now);
        let back = now + 100 * MS;
        let turns = |at| {
            let turns = (0..100).filter(|_| outliers.admits(backend(0), at));
            turns.count()
        };
        assert_eq!(turns(back), 10);
        assert_eq!(turns(back + 500 * MS), 50);
        assert_eq!(turns(back + 1000 * MS), 100);
        assert_eq!(shown(&outliers, 0, back + 1000 * MS).state, "in");
    }

    #[test]
    fn with_too_few_left_all_are_used_until_enough_are_back() {
        let (outliers, now) = fleet(4);
        fail(&outliers, 0, 3, now);
        fail(&outliers, 1, 3, now);
        assert!(!outliers.panicking(now));
        fail(&outliers, 2, 3, now);
        assert!(outliers.panicking(now));
        assert!((0..4).all(|number| outliers.admits(backend(number), now)));
        assert!(!outliers.panicking(now + 100 * MS));
    }

    #[test]
    fn what_the_active_checks_found_counts_for_the_threshold() {
        let (outliers, now) = fleet(3);
        outliers.checked(backend(0), false, now);
        assert!(!outliers.panicking(now));
        fail(&outliers, 1, 3, now);
        assert!(outliers.panicking(now));
        outliers.checked(backend(0), true, now);
        assert!(!outliers.panicking(now));
    }

    #[test]
    fn the_last_one_is_used_whatever_it_did() {
        let (outliers, now) = fleet(1);
        fail(&outliers, 0, 3, now);
        assert!(outliers.admits(backend(0), now));
    }

    #[test]
    fn failures_while_it_is_out_do_not_prolong_it() {
        let (outliers, now) = fleet(1);
        fail(&outliers, 0, 3, now);
        fail(&outliers, 0, 9, now + 50 * MS);
        assert_eq!(shown(&outliers, 0, now + 100 * MS).state, "returning");
    }

    #[test]
    fn what_began_before_the_ejection_says_nothing_after_the_return() {
        let (outliers, now) = fleet(3);
        let late = [(); 3].map(|()| outliers.attempt(backend(0), now).unwrap());
        fail(&outliers, 0, 3, now);
        let back = now + 100 * MS;
        for attempt in &late {
            outliers.failed(attempt, "read timed out", back);
        }
        assert_eq!(shown(&outliers, 0, back).state, "returning");
    }

    #[test]
    fn only_an_upstream_is_to_blame() {
        let at = |error: Box<Error>| blame(&error, true);
        assert!(at(Error::new(ConnectRefused).into_up()).is_some());
        assert!(at(Error::new(ConnectionClosed).into_up()).is_some());
        assert!(at(Error::new(ConnectionClosed).into_down()).is_none());
        assert!(at(Error::new(WriteError).into_down()).is_none());
        assert!(at(Error::new(HTTPStatus(503))).is_none());
        let slow = Error::new(ReadTimedout).into_up();
        assert!(blame(&slow, true).is_some());
        assert!(blame(&slow, false).is_none());
        let (outliers, _) = fleet(1);
        assert_eq!(outliers.blame_status(503).as_deref(), Some("status 503"));
        assert_eq!(outliers.blame_status(500), None);
    }
}
