//! Waits with a tenth, and then gives everything in one step: the shock only comes later.
//! fails: its_share_grows_to_the_whole

// TODO 5.8
fn share(&self, policy: &Policy, now: Instant) -> u64 {
    let elapsed = now.saturating_duration_since(self.since);
    match self.state {
        State::In => WHOLE,
        State::Out => 0,
        State::Returned => if elapsed < policy.slow_start {
            WHOLE / 10
        } else {
            WHOLE
        },
    }
}
// END TODO

// TODO 5.8
// as in the solution
// END TODO
