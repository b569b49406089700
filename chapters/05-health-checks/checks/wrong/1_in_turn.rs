//! Checks one backend after the other: the first that hangs delays all that follow.
//! fails: a_backend_that_hangs_keeps_no_other_from_its_check

// TODO 5.1
// as in the solution
// END TODO

// TODO 5.1
let mut check = TcpHealthCheck::new();
check.peer_template.options.connection_timeout = Some(timeout);
balancer.set_health_check(check);
balancer.health_check_frequency = Some(interval);
// END TODO
