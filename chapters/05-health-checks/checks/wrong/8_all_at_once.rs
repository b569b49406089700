//! Gives who returns its whole share at once, cold as it is.
//! fails: who_returns_begins_with_a_tenth, its_share_grows_to_the_whole

// TODO 5.8
fn share(&self, policy: &Policy, now: Instant) -> u64 {
    let elapsed = now.saturating_duration_since(self.since);
    match self.state {
        State::In => WHOLE,
        State::Out => 0,
        State::Returned => WHOLE,
    }
}
// END TODO

// TODO 5.8
// as in the solution
// END TODO
