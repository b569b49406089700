//! A latency that changes only when it is measured: who was slow once is never asked again.
//! fails: a_slow_one_is_tried_again_when_its_latency_has_faded

// TODO 4.7
// as in the solution
// END TODO

// TODO 4.7
known.map(|(seconds, _)| seconds)
// END TODO

// TODO 4.7
// as in the solution
// END TODO

// TODO 4.7
// as in the solution
// END TODO

// TODO 4.7
// as in the solution
// END TODO
