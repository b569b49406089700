//! Lets the share grow from zero: at first who returns gets no request at all.
//! fails: who_returns_begins_with_a_tenth

// TODO 5.8
fn share(&self, policy: &Policy, now: Instant) -> u64 {
    let elapsed = now.saturating_duration_since(self.since);
    match self.state {
        State::In => WHOLE,
        State::Out => 0,
        State::Returned => (100 * elapsed.as_millis() / policy.slow_start.as_millis()).min(100) as u64,
    }
}
// END TODO

// TODO 5.8
// as in the solution
// END TODO
