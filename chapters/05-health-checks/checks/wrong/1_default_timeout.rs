//! Leaves the check's time-out at its default, which each round then lasts when a backend hangs.
//! fails: a_backend_that_hangs_is_given_up_in_time

// TODO 5.1
// as in the solution
// END TODO

// TODO 5.1
println!("checks of {timeout:?} at most");
balancer.set_health_check(TcpHealthCheck::new());
balancer.health_check_frequency = Some(interval);
balancer.parallel_health_check = true;
// END TODO
