//! Takes the header of the answer for the end of the request: no download is ever slow, and no failure has a duration.
//! fails: the_duration_has_the_body_of_the_answer, every_ending_has_a_duration

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
let duration = ctx.begun.elapsed();
self.metrics.duration.observe(duration.as_secs_f64());
self.metrics.proxy.observe(duration.saturating_sub(ctx.waited).as_secs_f64());
// END TODO

// TODO 7.3
// Observed already.
// END TODO
