//! Observes a time to connect for connections that were there: they pull the average to nothing.
//! fails: only_a_new_connection_is_a_time_to_connect

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
log::debug!("reused={reused}");
if let Some(connect) = ctx.chosen.map(|chosen| chosen.elapsed()) {
    ctx.waited += connect;
    self.metrics.connect.observe(connect.as_secs_f64());
}
ctx.connected = Some(Instant::now());
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
