//! Pingora's own way: as many places in the line as weight, one after the other.
//! fails: the_heavy_one_is_spread_over_the_cycle, equal_weights_take_turns

// TODO 4.2
turn: std::sync::atomic::AtomicUsize,
// END TODO

// TODO 4.2
turn: std::sync::atomic::AtomicUsize::new(0),
// END TODO

// TODO 4.2
let sum: usize = self.backends.iter().map(|backend| backend.weight).sum();
let turn = self.turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
let mut place = turn.checked_rem(sum)?;
for (index, backend) in self.backends.iter().enumerate() {
    if place < backend.weight {
        return Some(index);
    }
    place -= backend.weight;
}
None
// END TODO
