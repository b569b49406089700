//! Lets the checks begin before the members are known: a round over nobody is the first.
//! fails: a_proxy_that_does_not_know_its_backends_yet_is_not_ready

// TODO 5.4
// as in the solution
// END TODO

// TODO 5.4
let registry = Arc::new(HealthRegistry::new());
registry.set_health_check(check);
let members = Backends::new_with_health_registry(discovery, Arc::clone(&registry));
let members = background_service("members", LoadBalancer::from_backends(members));
let balancer = members.task();
server.add_service(members);
let mut checks = HealthCheckService::new(registry);
checks.health_check_frequency = Some(interval);
checks.parallel_health_check = true;
(balancer, server.add_service(background_service("health checks", checks)))
// END TODO
