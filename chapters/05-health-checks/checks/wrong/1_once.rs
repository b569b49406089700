//! Sets how often members are looked up, not how often they are checked: one round at the start, and never another.
//! fails: a_killed_backend_leaves, a_killed_backend_comes_back, backends_are_checked_again_and_again

// TODO 5.1
let mut check = TcpHealthCheck::new();
check.peer_template.options.connection_timeout = Some(timeout);
balancer.set_health_check(check);
balancer.update_frequency = Some(interval);
balancer.parallel_health_check = true;
// END TODO
