//! What the proxy remembers of one request: its phases and when each began.

use std::{
    fmt,
    time::{Duration, Instant},
};

/// More phases than a request has; a body in a thousand pieces must not make a thousand entries.
const MOST_PHASES: usize = 32;

/// The life of one request. Pingora makes one with `new_ctx` and hands it to every phase of that request only.
pub(crate) struct Life {
    started: Instant,
    phases: Vec<(&'static str, Duration)>,
}

impl Life {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            phases: Vec::new(),
        }
    }

    /// Notes a phase. The body filters run once per piece: pieces in a row count as one phase.
    pub(crate) fn enter(&mut self, phase: &'static str) {
        let again = self.phases.last().is_some_and(|(last, _)| *last == phase);
        if !again && self.phases.len() < MOST_PHASES {
            self.phases.push((phase, self.started.elapsed()));
        }
    }

    /// The phases so far, in order: the value of `x-phases`.
    pub(crate) fn names(&self) -> String {
        let names: Vec<_> = self.phases.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }
}

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, at) in &self.phases {
            write!(f, "\n  {:>7} us  {name}", at.as_micros())?;
        }
        Ok(())
    }
}
