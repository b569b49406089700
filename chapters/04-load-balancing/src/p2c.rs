//! Power of two choices with peak EWMA: draw two backends, take the one that promises the shorter wait.
//!
//! The promise is the latency seen lately times the requests that wait there, with the new one. Two at random are
//! enough: the slow one loses nearly every draw, and unlike a search for the best of all, this does not send every
//! request of the moment to the same backend.
//!
//! The latency is an exponentially weighted moving average over time, as in Finagle and linkerd: a slower answer
//! counts at once (the peak), faster ones pull it down by and by. It also fades while nothing is measured, so a
//! backend that was slow is tried again in a while; one that is new has none and is tried at once.
//!
//! A backend that fails fast looks good here. Keep it out by health checks (chapter 05).

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use pingora::protocols::l4::socket::SocketAddr;
use pingora_load_balancing::{Backend, Backends};
use rand::seq::IndexedRandom;

/// What a backend costs that was never measured and has a request already, in seconds: until the first answer tells
/// more, everybody else is better.
const UNKNOWN: f64 = 1e9;

/// What is known of each backend.
#[derive(Clone)]
pub(crate) struct PeakEwma {
    state: Arc<Mutex<State>>,
    /// How long it takes until a latency has faded to about a third (1/e).
    decay: Duration,
}

struct State {
    loads: HashMap<SocketAddr, Load>,
    /// The members for which loads are kept, to notice that they have changed.
    members: Arc<BTreeSet<Backend>>,
}

struct Load {
    running: usize,
    /// In seconds, as it was at `seen`. None until the first answer.
    latency: Option<f64>,
    seen: Instant,
}

/// A chosen backend. It counts as one running request until this is dropped.
pub(crate) struct Picked {
    pub(crate) backend: Backend,
    ewma: PeakEwma,
    started: Instant,
    answered: bool,
}

impl PeakEwma {
    pub(crate) fn new(decay: Duration) -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                loads: HashMap::new(),
                members: Arc::default(),
            })),
            decay,
        }
    }

    /// Chooses between two of the members that are healthy and have a weight above 0; above 0, weights are all the
    /// same: a latency says more. For a retry, drop the choice of the try before first, so that its end counts.
    pub(crate) fn choose(&self, backends: &Backends) -> Option<Picked> {
        let members = backends.get_backend();
        let usable = members
            .iter()
            .filter(|backend| backend.weight > 0 && backends.ready(backend));
        let usable = Vec::from_iter(usable);
        self.lock().forget_others(&members);
        self.choose_among(&usable, Instant::now())
    }

    fn choose_among(&self, backends: &[&Backend], now: Instant) -> Option<Picked> {
        // Two different ones: with the same one drawn twice, a slow one would win that draw.
        let two = backends.sample(&mut rand::rng(), 2);
        // Looking and counting are one step under one lock, or all requests of a moment would see the same counts.
        let mut state = self.lock();
        let cost = |backend: &&&Backend| state.cost(backend, now, self.decay);
        let cheaper = two.min_by(|a, b| cost(a).total_cmp(&cost(b)))?;
        let backend = (*cheaper).clone();
        state.load(&backend, now).running += 1;
        Some(Picked {
            backend,
            ewma: self.clone(),
            started: now,
            answered: false,
        })
    }

    /// The latencies as they count now, by address, of the backends that have answered.
    pub(crate) fn latencies(&self) -> HashMap<SocketAddr, Duration> {
        let (state, now) = (self.lock(), Instant::now());
        let loads = state.loads.iter().filter_map(|(address, load)| {
            let latency = load.latency(now, self.decay)?;
            Some((address.clone(), Duration::from_secs_f64(latency)))
        });
        loads.collect()
    }

    #[cfg(test)]
    fn running(&self) -> Vec<usize> {
        let state = self.lock();
        state.loads.values().map(|load| load.running).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that holds it can panic half way, so what a poisoned lock guards is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn load(&mut self, backend: &Backend, now: Instant) -> &mut Load {
        let load = self.loads.entry(backend.addr.clone());
        load.or_insert(Load {
            running: 0,
            latency: None,
            seen: now,
        })
    }

    fn cost(&self, backend: &Backend, now: Instant, decay: Duration) -> f64 {
        let Some(load) = self.loads.get(&backend.addr) else {
            return 0.0;
        };
        let waiting = load.running as f64;
        match load.latency(now, decay) {
            Some(latency) => latency * (waiting + 1.0),
            // New: the first request comes at once, the others wait for what it shows.
            None => UNKNOWN * waiting,
        }
    }

    /// When members have changed, keeps what is known of those that are left, and of those with running requests.
    fn forget_others(&mut self, members: &Arc<BTreeSet<Backend>>) {
        if !Arc::ptr_eq(&self.members, members) {
            let addresses = BTreeSet::from_iter(members.iter().map(|member| &member.addr));
            self.loads
                .retain(|address, load| load.running > 0 || addresses.contains(address));
            self.members = Arc::clone(members);
        }
    }
}

impl Load {
    /// The latency, which fades while nothing is measured.
    fn latency(&self, now: Instant, decay: Duration) -> Option<f64> {
        Some(self.latency? * self.fading(now, decay))
    }

    /// What is left of an old value: 1 at first, 1/e after the time of decay.
    fn fading(&self, now: Instant, decay: Duration) -> f64 {
        let age = now.saturating_duration_since(self.seen);
        (-age.as_secs_f64() / decay.as_secs_f64()).exp()
    }

    /// An answer took so long.
    fn measured(&mut self, seconds: f64, now: Instant, decay: Duration) {
        let old = self.latency.unwrap_or_default();
        let weight = self.fading(now, decay);
        let average = old * weight + seconds * (1.0 - weight);
        self.latency = Some(seconds.max(average));
        self.seen = now;
    }

    /// A request ended without an answer after so long: an answer would have taken longer, if it had come.
    fn gave_up(&mut self, seconds: f64, now: Instant, decay: Duration) {
        let known = self.latency(now, decay);
        if known.is_none_or(|known| known < seconds) {
            self.measured(seconds, now, decay);
        }
    }
}

impl Picked {
    /// The head of the answer is here: say so in `upstream_response_filter`. That is where the time stops. The rest
    /// of an answer takes as long as it is large and its client slow, which says nothing of the backend.
    pub(crate) fn answered(&mut self) {
        if !std::mem::replace(&mut self.answered, true) {
            self.note(Load::measured);
        }
    }

    fn note(&self, note: fn(&mut Load, f64, Instant, Duration)) {
        let now = Instant::now();
        let seconds = now.saturating_duration_since(self.started).as_secs_f64();
        let mut state = self.ewma.lock();
        note(
            state.load(&self.backend, now),
            seconds,
            now,
            self.ewma.decay,
        );
    }
}

impl Drop for Picked {
    fn drop(&mut self) {
        if !self.answered {
            self.note(Load::gave_up);
        }
        let mut state = self.ewma.lock();
        if let Some(load) = state.loads.get_mut(&self.backend.addr) {
            load.running -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECAY: Duration = Duration::from_secs(10);

    fn backends(count: u16) -> Vec<Backend> {
        let ports = 1..=count;
        let backends = ports.filter_map(|port| Backend::new(&format!("127.0.0.1:{port}")).ok());
        backends.collect()
    }

    fn choose(ewma: &PeakEwma, backends: &[Backend], now: Instant) -> Option<Picked> {
        ewma.choose_among(&Vec::from_iter(backends), now)
    }

    fn port(picked: &Option<Picked>) -> Option<u16> {
        Some(picked.as_ref()?.backend.as_inet()?.port())
    }

    /// Each backend has answered once, so fast.
    fn measured(backends: &[Backend], milliseconds: &[u64], now: Instant) -> PeakEwma {
        let ewma = PeakEwma::new(DECAY);
        let mut state = ewma.lock();
        for (backend, milliseconds) in backends.iter().zip(milliseconds) {
            let seconds = Duration::from_millis(*milliseconds).as_secs_f64();
            state.load(backend, now).measured(seconds, now, DECAY);
        }
        drop(state);
        ewma
    }

    #[test]
    fn a_new_one_is_tried_at_once_and_then_waited_for() {
        let (backends, now) = (backends(2), Instant::now());
        let ewma = measured(&backends, &[10], now);
        let new = choose(&ewma, &backends, now);
        assert_eq!(port(&new), Some(2));
        for _ in 0..100 {
            assert_eq!(port(&choose(&ewma, &backends, now)), Some(1));
        }
    }

    #[test]
    fn who_waits_counts_as_much_as_how_long() {
        let (backends, now) = (backends(2), Instant::now());
        let ewma = measured(&backends, &[10, 25], now);
        let running = [1, 1, 2, 1].map(|wanted| {
            let picked = choose(&ewma, &backends, now);
            assert_eq!(port(&picked), Some(wanted));
            picked
        });
        drop(running);
        assert!(ewma.running().iter().all(|running| *running == 0));
    }

    #[test]
    fn the_slow_one_of_many_never_wins() {
        let (backends, now) = (backends(4), Instant::now());
        let ewma = measured(&backends, &[10, 10, 200, 10], now);
        for _ in 0..1000 {
            assert_ne!(port(&choose(&ewma, &backends, now)), Some(3));
        }
    }

    #[test]
    fn a_slow_one_is_tried_again_in_a_while() {
        let (backends, now) = (backends(2), Instant::now());
        let ewma = measured(&backends, &[10, 200], now);
        let later = now + 4 * DECAY;
        let fast = |state: &mut State| {
            let load = state.load(&backends[0], later);
            load.measured(0.010, later, DECAY);
        };
        fast(&mut ewma.lock());
        assert_eq!(port(&choose(&ewma, &backends, later)), Some(2));
    }

    #[test]
    fn a_peak_counts_at_once_and_fades_by_and_by() {
        let now = Instant::now();
        let mut load = Load {
            running: 0,
            latency: None,
            seen: now,
        };
        load.measured(0.1, now, DECAY);
        load.measured(2.0, now, DECAY);
        assert_eq!(load.latency, Some(2.0));
        load.measured(0.1, now, DECAY);
        assert_eq!(load.latency, Some(2.0));
        load.measured(0.1, now + DECAY, DECAY);
        let faded = load.latency.unwrap_or_default();
        assert!((0.79..0.81).contains(&faded), "{faded}");
    }

    #[test]
    fn who_gives_up_has_waited_long_enough_to_tell() {
        let now = Instant::now();
        let mut load = Load {
            running: 0,
            latency: Some(0.1),
            seen: now,
        };
        load.gave_up(0.01, now, DECAY);
        assert_eq!(load.latency, Some(0.1));
        load.gave_up(5.0, now, DECAY);
        assert_eq!(load.latency, Some(5.0));
    }

    #[test]
    fn who_is_gone_is_forgotten() {
        let (backends, now) = (backends(3), Instant::now());
        let ewma = measured(&backends, &[10, 10, 10], now);
        let members = Arc::new(BTreeSet::from_iter(backends.iter().take(1).cloned()));
        let running = choose(&ewma, &backends[1..2], now);
        ewma.lock().forget_others(&members);
        assert_eq!(ewma.running().len(), 2);
        drop(running);
        ewma.lock().forget_others(&Arc::new((*members).clone()));
        assert_eq!(ewma.running().len(), 1);
    }
}
