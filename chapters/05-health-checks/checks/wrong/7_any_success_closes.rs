//! Takes any answer for that of the probe, also one that was asked for before it opened.
//! fails: what_was_sent_before_it_opened_proves_nothing_after

// TODO 5.7
impl Breaker {
    /// Lets a request pass, or says how long it may take until one does.
    fn pass(self: &Arc<Self>, now: Instant) -> Result<Pass, Duration> {
        let mut circuit = self.circuit(now);
        let open = now.saturating_duration_since(circuit.since);
        match circuit.state {
            State::Open => return Err(self.open.saturating_sub(open)),
            State::HalfOpen if circuit.probing => return Err(self.open),
            // Seen and taken under one lock: of many that come at once, one gets it.
            State::HalfOpen => circuit.probing = true,
            State::Closed => {}
        }
        Ok(Pass {
            breaker: Arc::clone(self),
            probe: circuit.probing,
        })
    }
}

impl Pass {
    /// What came of it.
    fn report(mut self, verdict: Verdict, now: Instant) {
        let mut circuit = self.breaker.circuit(now);
        // What was sent before a change says nothing of the state that is: in half open only the probe decides.
        match (circuit.state, circuit.probing, verdict) {
            (State::Closed, false, Verdict::Works) => circuit.failures = 0,
            (State::Closed, false, Verdict::Fails(why)) => {
                circuit.failures += 1;
                if circuit.failures >= self.breaker.failures {
                    circuit.change(State::Open, why, now);
                }
            }
            (State::HalfOpen, true, Verdict::Works) => {
                self.probe = false;
                circuit.change(State::Closed, "the probe worked".to_owned(), now);
            }
            (State::HalfOpen, true, Verdict::Fails(why)) => {
                self.probe = false;
                circuit.change(State::Open, format!("the probe failed: {why}"), now);
            }
            _ => {}
        }
    }
}

impl Drop for Pass {
    /// A probe that ends without an outcome makes room for the next one, whatever ended it.
    fn drop(&mut self) {
        if self.probe {
            self.breaker.circuit(Instant::now()).probing = false;
        }
    }
}
// END TODO
