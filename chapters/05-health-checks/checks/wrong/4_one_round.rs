//! Sets the frequency of the balancer, which checks nothing any more; HealthCheckService has its own.
//! fails: once_ready_it_stays_ready, checks_go_on_and_requests_pass

// TODO 5.4
// as in the solution
// END TODO

// TODO 5.4
let registry = Arc::new(HealthRegistry::new());
registry.set_health_check(check);
let members = Backends::new_with_health_registry(discovery, Arc::clone(&registry));
let mut members = LoadBalancer::from_backends(members);
members.health_check_frequency = Some(interval);
members.parallel_health_check = true;
let members = background_service("members", members);
let balancer = members.task();
let members = server.add_service(members);
let mut checks = HealthCheckService::new(registry);
checks.parallel_health_check = true;
let checks = server.add_service(background_service("health checks", checks));
checks.add_dependency(members);
(balancer, checks)
// END TODO
