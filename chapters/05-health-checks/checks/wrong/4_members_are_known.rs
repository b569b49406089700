//! Checks as it should, and calls itself ready when the members are known.
//! fails: while_the_first_check_runs_it_is_not_ready, the_last_backend_counts_too

// TODO 5.4
// as in the solution
// END TODO

// TODO 5.4
let registry = Arc::new(HealthRegistry::new());
registry.set_health_check(check);
let members = Backends::new_with_health_registry(discovery, Arc::clone(&registry));
let members = background_service("members", LoadBalancer::from_backends(members));
let balancer = members.task();
let members = server.add_service(members);
let mut checks = HealthCheckService::new(registry);
checks.health_check_frequency = Some(interval);
checks.parallel_health_check = true;
server.add_service(background_service("health checks", checks)).add_dependency(&members);
(balancer, members)
// END TODO
