//! Takes the lower latency, however many wait there already.
//! fails: whoever_has_much_to_do_costs_more

// TODO 4.7
// as in the solution
// END TODO

// TODO 4.7
// as in the solution
// END TODO

// TODO 4.7
let _ = running;
self.latency.now().unwrap_or_default()
// END TODO

// TODO 4.7
// as in the solution
// END TODO

// TODO 4.7
// as in the solution
// END TODO
