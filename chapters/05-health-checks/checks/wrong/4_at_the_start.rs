//! Is ready when everything has started: the service that it names has nothing to wait for.
//! fails: while_the_first_check_runs_it_is_not_ready, the_last_backend_counts_too, a_proxy_that_does_not_know_its_backends_yet_is_not_ready

// TODO 5.4
struct Started;

#[async_trait]
impl BackgroundService for Started {}
// END TODO

// TODO 5.4
let mut members = LoadBalancer::from_backends(Backends::new(discovery));
members.set_health_check(check);
members.health_check_frequency = Some(interval);
members.parallel_health_check = true;
let members = background_service("members", members);
let balancer = members.task();
server.add_service(members);
(balancer, server.add_service(background_service("started", Started)))
// END TODO
