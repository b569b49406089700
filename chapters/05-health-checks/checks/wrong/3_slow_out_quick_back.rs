//! Is slow to take a backend out, and brings it back at its first success.
//! fails: as_many_successes_in_a_row_as_rise_says_bring_it_back, a_backend_that_is_out_and_alternates_stays_out

// TODO 5.3
println!("Up after {} successes", settings.rise);
check.consecutive_failure = settings.fall;
check.health_changed_callback = Some(Box::new(Changes));
// END TODO

// TODO 5.3
// as in the solution
// END TODO
