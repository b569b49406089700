//! Measures connecting and the first byte from when the request began, so each has all that was before it.
//! fails: the_time_to_connect_is_without_the_rules, the_first_byte_is_without_the_rules

// TODO 7.3
// as in the solution
// END TODO

// TODO 7.3
// as in the solution
// END TODO

// TODO 7.3
ctx.chosen = Some(ctx.begun);
// END TODO

// TODO 7.3
if let Some(connect) = ctx.chosen.map(|chosen| chosen.elapsed()).filter(|_| !reused) {
    self.metrics.connect.observe(connect.as_secs_f64());
}
ctx.connected = Some(Instant::now());
// END TODO

// TODO 7.3
self.metrics.first_byte.observe(ctx.begun.elapsed().as_secs_f64());
if let Some(first_byte) = ctx.connected.map(|connected| connected.elapsed()) {
    ctx.waited += first_byte;
}
// END TODO

// TODO 7.3
// as in the solution
// END TODO

// TODO 7.3
// as in the solution
// END TODO
