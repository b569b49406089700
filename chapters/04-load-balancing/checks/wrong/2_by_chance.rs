//! Draws by weight: no bursts in the long run, and no exact shares either.
//! fails: every_cycle_has_the_exact_shares, the_shares_are_exact_under_concurrent_clients

// TODO 4.2
// END TODO

// TODO 4.2
// END TODO

// TODO 4.2
use rand::seq::IndexedRandom;
let all = Vec::from_iter(0..self.backends.len());
let weight = |index: &usize| self.backends[*index].weight;
all.choose_weighted(&mut rand::rng(), weight).ok().copied()
// END TODO
