//! Works the schedule out once, smooth and right, and plays it for good.
//! fails: new_weights_are_smooth_too

// TODO 4.2
turn: std::sync::atomic::AtomicUsize,
// END TODO

// TODO 4.2
turn: std::sync::atomic::AtomicUsize::new(0),
// END TODO

// TODO 4.2
static SCHEDULE: std::sync::OnceLock<Vec<usize>> = std::sync::OnceLock::new();
let schedule = SCHEDULE.get_or_init(|| {
    let weights = Vec::from_iter(self.backends.iter().map(|backend| backend.weight as i64));
    let mut credits = vec![0; weights.len()];
    let sum: i64 = weights.iter().sum();
    let turn = |_| {
        for (credit, weight) in credits.iter_mut().zip(&weights) {
            *credit += weight;
        }
        let chosen = (0..credits.len()).rev().max_by_key(|index| credits[*index]).unwrap();
        credits[chosen] -= sum;
        chosen
    };
    (0..sum).map(turn).collect()
});
let turn = self.turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
schedule.get(turn.checked_rem(schedule.len())?).copied()
// END TODO
