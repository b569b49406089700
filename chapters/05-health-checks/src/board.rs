//! What the active checks found: the verdict on each backend, since when, and why. Each change is logged here, once.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use log::{info, warn};

/// The verdicts by backend. The backends are known from the start, so it never grows.
pub(crate) struct Board(Mutex<BTreeMap<SocketAddr, Entry>>);

/// What is known of one backend.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) verdict: Verdict,
    pub(crate) since: Instant,
    pub(crate) why: String,
    /// Why the last check failed that did.
    failure: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Unchecked,
    Up,
    Down,
}

impl Board {
    pub(crate) fn new(backends: impl IntoIterator<Item = SocketAddr>, now: Instant) -> Self {
        let entry = Entry {
            verdict: Verdict::Unchecked,
            since: now,
            why: "not checked yet".to_owned(),
            failure: String::new(),
        };
        let backends = backends.into_iter();
        Self(Mutex::new(backends.map(|it| (it, entry.clone())).collect()))
    }

    /// One check has found this. It changes nothing yet, except that the first success is the first verdict.
    pub(crate) fn checked(&self, address: SocketAddr, found: &Result<(), String>) {
        let mut entries = self.lock();
        let Some(entry) = entries.get_mut(&address) else {
            return;
        };
        match found {
            Ok(()) if entry.verdict == Verdict::Unchecked => {
                entry.change(address, Verdict::Up, "its first check".to_owned());
            }
            Ok(()) => {}
            Err(why) => why.clone_into(&mut entry.failure),
        }
    }

    /// Enough checks in a row have said so.
    pub(crate) fn changed(&self, address: SocketAddr, healthy: bool) {
        let mut entries = self.lock();
        if let Some(entry) = entries.get_mut(&address) {
            match healthy {
                true => entry.change(address, Verdict::Up, "its checks succeed again".to_owned()),
                false => entry.change(address, Verdict::Down, entry.failure.clone()),
            }
        }
    }

    pub(crate) fn entry(&self, address: SocketAddr) -> Option<Entry> {
        self.lock().get(&address).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SocketAddr, Entry>> {
        // Nothing that holds it can panic half way, so what a poisoned lock guards is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn change(&mut self, address: SocketAddr, verdict: Verdict, why: String) {
        match verdict {
            Verdict::Down => warn!("{address} is down: {why}"),
            Verdict::Up | Verdict::Unchecked => info!("{address} is up: {why}"),
        }
        self.verdict = verdict;
        self.since = Instant::now();
        self.why = why;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board() -> (Board, SocketAddr) {
        let address = ([127, 0, 0, 1], 1).into();
        (Board::new([address], Instant::now()), address)
    }

    fn shown(board: &Board, address: SocketAddr) -> (Verdict, String) {
        let entry = board.entry(address).unwrap();
        (entry.verdict, entry.why)
    }

    #[test]
    fn the_first_success_is_a_verdict_and_the_first_failure_is_not() {
        let (board, address) = board();
        board.checked(address, &Err("connection refused".to_owned()));
        assert_eq!(shown(&board, address).0, Verdict::Unchecked);
        board.checked(address, &Ok(()));
        assert_eq!(shown(&board, address).0, Verdict::Up);
    }

    #[test]
    fn a_change_says_why() {
        let (board, address) = board();
        board.checked(address, &Ok(()));
        board.checked(address, &Err("status 500".to_owned()));
        board.checked(address, &Err("status 503".to_owned()));
        board.changed(address, false);
        assert_eq!(
            shown(&board, address),
            (Verdict::Down, "status 503".to_owned())
        );
        board.checked(address, &Ok(()));
        assert_eq!(shown(&board, address).0, Verdict::Down);
        board.changed(address, true);
        assert_eq!(shown(&board, address).0, Verdict::Up);
    }
}
