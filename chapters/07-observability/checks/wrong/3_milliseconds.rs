//! Counts in milliseconds, under names that say seconds.
//! fails: times_are_in_seconds

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
if let Some(first_byte) = ctx.connected.map(|connected| connected.elapsed()) {
    ctx.waited += first_byte;
    self.metrics.first_byte.observe(first_byte.as_secs_f64() * 1_000.0);
}
// END TODO

// TODO 7.3
let own = ctx.begun.elapsed().saturating_sub(ctx.waited);
self.metrics.proxy.observe(own.as_secs_f64() * 1_000.0);
// END TODO

// TODO 7.3
self.metrics.duration.observe(duration.as_secs_f64() * 1_000.0);
// END TODO
