//! Smooth weighted round robin: each backend gets its share, and the shares are spread over the cycle.
//!
//! Pingora's own weighted round robin plays 5:1:1 as a a a a a b c: the heavy backend gets five in a row. This one,
//! which nginx made known, plays a a b a c a a. Every backend has a credit. At each choice all earn their weight, the
//! one with the most credit is chosen, and it pays what all earned together.

use std::{
    cmp::Reverse,
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use pingora_load_balancing::{
    Backend,
    selection::{BackendIter, BackendSelection},
};

/// A selection for `LoadBalancer`, which keeps discovery and health checks.
///
/// A backend of weight 0 gets nothing; if all have weight 0, nobody is chosen (Pingora's own selection panics there).
/// The load balancer builds a new one when a backend comes, goes or changes its weight; it starts a new cycle. An
/// update that changes nothing builds nothing (pingora-load-balancing, lib.rs, `do_update`).
pub(crate) struct SmoothWeighted {
    /// In the order of their addresses, without those of weight 0.
    backends: Box<[Backend]>,
    /// One each. A lock, not an atomic each: a choice reads and writes all of them, and must be one step for the
    /// schedule to be exact.
    credits: Mutex<Box<[i64]>>,
}

impl BackendSelection for SmoothWeighted {
    type Iter = SmoothIter;
    type Config = ();

    fn build(backends: &BTreeSet<Backend>) -> Self {
        let backends = backends.iter().filter(|backend| backend.weight > 0);
        let backends: Box<[_]> = backends.cloned().collect();
        Self {
            credits: Mutex::new(backends.iter().map(|_| 0).collect()),
            backends,
        }
    }

    /// Chooses nothing yet, so a key is of no use.
    fn iter(self: &Arc<Self>, _key: &[u8]) -> SmoothIter {
        SmoothIter {
            selection: Arc::clone(self),
            chosen: None,
            refused: Vec::new(),
        }
    }
}

/// The choices for one request, each backend once. That it asks for another means that it refused the one before.
pub(crate) struct SmoothIter {
    selection: Arc<SmoothWeighted>,
    chosen: Option<usize>,
    /// Empty, and so without an allocation, unless a backend is refused.
    refused: Vec<usize>,
}

impl BackendIter for SmoothIter {
    fn next(&mut self) -> Option<&Backend> {
        let credits = &self.selection.credits;
        // Nothing here can panic half way, so what a poisoned lock guards is whole.
        let mut credits = credits.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(refused) = self.chosen.take() {
            // Taken back, and chosen anew without it: the turns of a backend that is down are shared by weight. Else
            // they would all go to the next in line. It keeps its credit, which soon makes it the first that is asked
            // and grows no further, so that it has little to catch up when it is back.
            self.settle(&mut credits, refused, -1);
            self.refused.push(refused);
        }
        let chosen = self.richest(&credits);
        if let Some(chosen) = chosen {
            self.settle(&mut credits, chosen, 1);
        }
        self.chosen = chosen;
        self.selection.backends.get(chosen?)
    }
}

impl SmoothIter {
    /// Whose turn it is: the most credit once all have earned, and of equals the first.
    fn richest(&self, credits: &[i64]) -> Option<usize> {
        let all = self.selection.backends.iter().zip(credits).enumerate();
        let taking_part = all.filter(|(index, _)| !self.refused.contains(index));
        taking_part
            .map(|(index, (backend, credit))| (credit + weight(backend), Reverse(index)))
            .max()
            .map(|(_, Reverse(index))| index)
    }

    /// All earn and the chosen one pays; with -1 the other way round. The sum of all credits stays 0.
    fn settle(&self, credits: &mut [i64], chosen: usize, sign: i64) {
        let mut sum = 0;
        let all = self.selection.backends.iter().zip(&mut *credits);
        for (index, (backend, credit)) in all.enumerate() {
            if !self.refused.contains(&index) {
                *credit += sign * weight(backend);
                sum += sign * weight(backend);
            }
        }
        if let Some(credit) = credits.get_mut(chosen) {
            *credit -= sum;
        }
    }
}

/// Bounded, so that no sum overflows.
fn weight(backend: &Backend) -> i64 {
    i64::from(u32::try_from(backend.weight).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Backends with these weights, in this order, called a, b, c...
    fn selection(weights: &[usize]) -> Arc<SmoothWeighted> {
        let backends = (1..).zip(weights).filter_map(|(port, weight)| {
            Backend::new_with_weight(&format!("127.0.0.1:{port}"), *weight).ok()
        });
        Arc::new(SmoothWeighted::build(&backends.collect()))
    }

    /// The letter of the first backend that is not among those that are down.
    fn choose(selection: &Arc<SmoothWeighted>, down: &str) -> Option<char> {
        let mut choices = selection.iter(b"");
        loop {
            let port = choices.next()?.as_inet()?.port();
            let letter = char::from_digit(u32::from(port) + 9, 36)?;
            if !down.contains(letter) {
                return Some(letter);
            }
        }
    }

    fn play(selection: &Arc<SmoothWeighted>, down: &str, rounds: usize) -> String {
        (0..rounds)
            .filter_map(|_| choose(selection, down))
            .collect()
    }

    #[test]
    fn the_schedule_is_smooth() {
        assert_eq!(play(&selection(&[5, 1, 1]), "", 14), "aabacaaaabacaa");
        assert_eq!(play(&selection(&[1, 1, 1]), "", 6), "abcabc");
        assert_eq!(play(&selection(&[1, 2]), "", 6), "babbab");
    }

    #[test]
    fn one_that_is_down_leaves_the_others_their_shares() {
        let heavy = play(&selection(&[5, 1, 1]), "b", 60);
        assert!((9..=11).contains(&heavy.matches('c').count()), "{heavy}");
        let light = play(&selection(&[5, 1, 1]), "a", 100);
        assert!((48..=52).contains(&light.matches('b').count()), "{light}");
        assert_eq!(play(&selection(&[4, 2, 1]), "ac", 3), "bbb");
    }

    #[test]
    fn one_that_comes_back_does_not_catch_up() {
        let selection = selection(&[5, 1, 1]);
        assert_eq!(play(&selection, "b", 700).matches('b').count(), 0);
        let after = play(&selection, "", 70);
        assert!((10..=11).contains(&after.matches('b').count()), "{after}");
    }

    #[test]
    fn when_all_are_down_nothing_is_lost() {
        let selection = selection(&[5, 1, 1]);
        assert_eq!(play(&selection, "abc", 10), "");
        assert_eq!(play(&selection, "", 7), "aabacaa");
    }

    #[test]
    fn weight_zero_gets_nothing() {
        assert_eq!(play(&selection(&[2, 0, 1]), "", 6), "acaaca");
        assert_eq!(play(&selection(&[0, 0]), "", 3), "");
        assert_eq!(play(&selection(&[]), "", 3), "");
    }

    #[test]
    fn no_weight_overflows() {
        assert_eq!(play(&selection(&[usize::MAX, usize::MAX]), "", 4), "abab");
    }

    #[test]
    fn the_shares_are_exact_from_many_threads() {
        let selection = selection(&[5, 1, 1]);
        let thread = || play(&selection, "", 700);
        let chosen = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(thread)).collect();
            let played = threads.into_iter().map(|thread| thread.join());
            played.flatten().collect::<String>()
        });
        assert_eq!(chosen.matches('a').count(), 2000);
        assert_eq!(chosen.matches('b').count(), 400);
        assert_eq!(chosen.matches('c').count(), 400);
    }
}
