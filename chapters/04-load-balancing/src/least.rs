//! Least connections: the backend with the fewest running requests for its weight.
//!
//! This is not a `BackendSelection`: `LoadBalancer::select` returns a backend and never hears how the request ended.
//! Here a choice comes with a guard that has counted it, and that gives the count back when it is dropped. Keep it in
//! the CTX: Pingora drops that when the request is over, whatever ended it, and a new choice that takes the place of
//! the old one (a retry) drops the old guard. No path can forget it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use pingora::protocols::l4::socket::SocketAddr;
use pingora_load_balancing::{Backend, Backends};

/// The running requests of each backend.
#[derive(Clone, Default)]
pub(crate) struct LeastConnections(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// By address, which is what connections go to: a backend whose weight changes keeps its count, and so does one
    /// that is removed and comes back. Backends without a request have no entry, so this cannot grow beyond what runs.
    running: BTreeMap<SocketAddr, usize>,
    last: Option<SocketAddr>,
}

/// A chosen backend. It counts as one running request until this is dropped.
pub(crate) struct Picked {
    pub(crate) backend: Backend,
    counts: LeastConnections,
}

impl LeastConnections {
    /// Chooses among the members that are healthy and have a weight above 0. For a retry, drop the choice of the try
    /// before first, so that its end counts.
    pub(crate) fn choose(&self, backends: &Backends) -> Option<Picked> {
        let members = backends.get_backend();
        let usable = members
            .iter()
            .filter(|backend| backend.weight > 0 && backends.ready(backend));
        // Before the lock is taken: health is looked up without it.
        let usable = Vec::from_iter(usable);
        self.choose_among(&usable)
    }

    fn choose_among(&self, backends: &[&Backend]) -> Option<Picked> {
        // Looking and counting are one step under one lock. With an atomic each, all requests that come in the same
        // moment see the same idle backend.
        let mut state = self.lock();
        let least = backends.iter().min_by(|a, b| {
            let by_load = state.load(a).total_cmp(&state.load(b));
            // Of equals the next one after the last choice, in the order of addresses: they take turns.
            by_load.then_with(|| state.is_behind(a).cmp(&state.is_behind(b)))
        });
        let backend = (*least?).clone();
        *state.running.entry(backend.addr.clone()).or_default() += 1;
        state.last = Some(backend.addr.clone());
        Some(Picked {
            backend,
            counts: self.clone(),
        })
    }

    /// The running requests by address, of those backends that have any.
    #[cfg(test)]
    fn running(&self) -> BTreeMap<SocketAddr, usize> {
        self.lock().running.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that holds it can panic half way, so what a poisoned lock guards is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn load(&self, backend: &Backend) -> f64 {
        let running = self.running.get(&backend.addr).copied().unwrap_or_default();
        running as f64 / backend.weight as f64
    }

    fn is_behind(&self, backend: &Backend) -> bool {
        self.last.as_ref().is_some_and(|last| backend.addr <= *last)
    }
}

impl Drop for Picked {
    fn drop(&mut self) {
        let mut state = self.counts.lock();
        if let Some(running) = state.running.get_mut(&self.backend.addr) {
            *running -= 1;
            if *running == 0 {
                state.running.remove(&self.backend.addr);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backends(weights: &[usize]) -> Vec<Backend> {
        let ports = (1..).zip(weights);
        let backends = ports.filter_map(|(port, weight)| {
            Backend::new_with_weight(&format!("127.0.0.1:{port}"), *weight).ok()
        });
        backends.collect()
    }

    fn choose(counts: &LeastConnections, backends: &[Backend]) -> Option<Picked> {
        counts.choose_among(&Vec::from_iter(backends))
    }

    /// As many choices, none of which ends.
    fn pick(counts: &LeastConnections, backends: &[Backend], times: usize) -> Vec<Picked> {
        let choices = (0..times).filter_map(|_| choose(counts, backends));
        choices.collect()
    }

    fn ports(picked: &[Picked]) -> Vec<u16> {
        let addresses = picked.iter().filter_map(|picked| picked.backend.as_inet());
        addresses.map(|address| address.port()).collect()
    }

    #[test]
    fn the_one_with_the_fewest_is_chosen() {
        let (counts, backends) = (LeastConnections::default(), backends(&[1, 1, 1]));
        let mut picked = pick(&counts, &backends, 6);
        assert_eq!(ports(&picked), [1, 2, 3, 1, 2, 3]);
        picked.remove(4);
        assert_eq!(ports(&pick(&counts, &backends, 1)), [2]);
    }

    #[test]
    fn idle_ones_take_turns() {
        let (counts, backends) = (LeastConnections::default(), backends(&[1, 1, 1]));
        let busy = pick(&counts, &backends, 1);
        let turns = (0..4).flat_map(|_| ports(&pick(&counts, &backends, 1)));
        assert_eq!(Vec::from_iter(turns), [2, 3, 2, 3]);
        drop(busy);
    }

    #[test]
    fn a_heavier_one_takes_more() {
        let (counts, backends) = (LeastConnections::default(), backends(&[3, 1]));
        let picked = ports(&pick(&counts, &backends, 8));
        assert_eq!(picked.iter().filter(|port| **port == 1).count(), 6);
    }

    #[test]
    fn every_count_is_given_back() {
        let (counts, backends) = (LeastConnections::default(), backends(&[1, 1]));
        let picked = pick(&counts, &backends, 5);
        assert_eq!(counts.running().values().sum::<usize>(), 5);
        drop(picked);
        assert!(counts.running().is_empty());
    }

    #[test]
    fn a_retry_moves_the_count() {
        let (counts, backends) = (LeastConnections::default(), backends(&[1, 1]));
        let mut in_ctx = choose(&counts, &backends[..1]);
        assert!(in_ctx.is_some());
        in_ctx = choose(&counts, &backends[1..]);
        assert_eq!(ports(in_ctx.as_slice()), [2]);
        assert_eq!(counts.running().len(), 1);
    }

    #[test]
    fn many_threads_spread_evenly() {
        let (counts, backends) = (LeastConnections::default(), backends(&[1, 1, 1, 1]));
        let threads = std::thread::scope(|scope| {
            let thread = || pick(&counts, &backends, 100);
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(thread)).collect();
            let picked = threads.into_iter().flat_map(|thread| thread.join());
            Vec::from_iter(picked.flatten())
        });
        assert_eq!(threads.len(), 400);
        assert!(counts.running().values().all(|running| *running == 100));
    }
}
