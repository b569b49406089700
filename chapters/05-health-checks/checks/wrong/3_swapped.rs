//! Takes consecutive_success for what keeps a backend in, and consecutive_failure for what keeps it out.
//! fails: as_many_failures_in_a_row_as_fall_says_take_it_out, as_many_successes_in_a_row_as_rise_says_bring_it_back

// TODO 5.3
check.consecutive_success = settings.fall;
check.consecutive_failure = settings.rise;
check.health_changed_callback = Some(Box::new(Changes));
// END TODO

// TODO 5.3
// as in the solution
// END TODO
