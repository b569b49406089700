//! Tells of changes, and lets every check be one.
//! fails: as_many_failures_in_a_row_as_fall_says_take_it_out, as_many_successes_in_a_row_as_rise_says_bring_it_back, a_backend_that_alternates_stays_in, a_backend_that_is_out_and_alternates_stays_out

// TODO 5.3
println!("Thresholds: {} down, {} up", settings.fall, settings.rise);
check.health_changed_callback = Some(Box::new(Changes));
// END TODO

// TODO 5.3
// as in the solution
// END TODO
