//! Observes the duration of requests that went well: the slowest ones are missing, since they ended in a time-out.
//! fails: every_ending_has_a_duration

// TODO 7.3
// as in the solution
// END TODO

// TODO 7.3
// as in the solution
// END TODO

// TODO 7.3
// as in the solution
// END TODO

// TODO 7.3
// as in the solution
// END TODO

// TODO 7.3
// as in the solution
// END TODO

// TODO 7.3
// as in the solution
// END TODO

// TODO 7.3
if _error.is_none() {
    self.metrics.duration.observe(duration.as_secs_f64());
}
// END TODO
