//! Goes round five times, each time with those whose weight is high enough: a b c only in the last round.
//! fails: the_heavy_one_is_spread_over_the_cycle, new_weights_are_smooth_too

// TODO 4.2
turn: std::sync::atomic::AtomicUsize,
// END TODO

// TODO 4.2
turn: std::sync::atomic::AtomicUsize::new(0),
// END TODO

// TODO 4.2
let most = self.backends.iter().map(|backend| backend.weight).max()?;
let rounds = (1..=most).rev();
let line = rounds.flat_map(|bar| {
    let all = self.backends.iter().enumerate();
    all.filter(move |(_, backend)| backend.weight >= bar).map(|(index, _)| index)
});
let line = Vec::from_iter(line);
let turn = self.turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
line.get(turn.checked_rem(line.len())?).copied()
// END TODO
