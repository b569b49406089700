//! Sets everything about the checks except the check.
//! fails: a_killed_backend_leaves, backends_are_checked_again_and_again, a_backend_that_is_down_at_the_start_is_left_out

// TODO 5.1
// as in the solution
// END TODO

// TODO 5.1
let mut check = TcpHealthCheck::new();
check.peer_template.options.connection_timeout = Some(timeout);
balancer.health_check_frequency = Some(interval);
balancer.parallel_health_check = true;
// END TODO
