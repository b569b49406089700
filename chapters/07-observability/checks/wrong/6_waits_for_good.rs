//! Flushes, and waits for the collector as long as it takes.
//! fails: a_stop_does_not_wait_long_for_a_silent_collector

// TODO 7.6
// as in the solution
// END TODO

// TODO 7.6
// as in the solution
// END TODO

// TODO 7.6
while provider.shutdown_with_timeout(Duration::from_secs(600)).is_err() {}
// END TODO
