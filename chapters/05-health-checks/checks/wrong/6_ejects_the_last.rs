//! Ejects whoever fails, until nobody is left.
//! fails: the_last_one_stays_in_whatever_it_does

// TODO 5.6
// as in the solution
// END TODO

// TODO 5.6
/// What time alone changes.
fn look(&mut self, policy: &Policy, now: Instant) {
    let elapsed = now.saturating_duration_since(self.since);
    match self.cool_down {
        Some(cool_down) if elapsed >= cool_down => {
            self.change(None, format!("was out for {cool_down:?}"), now);
        }
        None if elapsed >= policy.forget => self.ejections = 0,
        _ => {}
    }
}

fn succeeded(&mut self) {
    self.failures = 0;
}

/// `last` says that no other one is in.
fn failed(&mut self, why: String, last: bool, policy: &Policy, now: Instant) {
    // What was under way when it went out is no news.
    if self.cool_down.is_some() {
        return;
    }
    self.failures = self.failures.saturating_add(1);
    if self.failures >= policy.failures {
        let doubled = 1u32.checked_shl(self.ejections).unwrap_or(u32::MAX);
        let cool_down = policy.cool_down.saturating_mul(doubled);
        self.ejections = self.ejections.saturating_add(1);
        self.change(Some(cool_down.min(policy.longest)), why, now);
    }
}

/// Each change is logged once, here.
fn change(&mut self, cool_down: Option<Duration>, why: String, now: Instant) {
    let state = if cool_down.is_none() { "in" } else { "out" };
    log::warn!("{} is {state}: {why}", self.address);
    self.cool_down = cool_down;
    self.since = now;
    self.why = why;
    self.failures = 0;
}
// END TODO
