//! Runs one round of checks by hand at the start: who is down then stays down, and who goes down later is not noticed.
//! fails: it_goes_on_when_a_backend_is_back_and_stops_again

// TODO 4.5
// as in the solution
// END TODO

// TODO 4.5
// as in the solution
// END TODO

// TODO 4.5
balancer.health_check_frequency = None;
let service = pingora::services::background::background_service("health checks", balancer);
let balancer = service.task();
server.add_service(service);
Ok(balancer)
// END TODO
