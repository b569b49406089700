//! The checks of chapter 05: here they judge the solutions; with CHECK_BINARY set, any other answer.

#[path = "../../../chapters/05-health-checks/checks/1_tcp_check.rs"]
mod ex1_tcp_check;
#[path = "../../../chapters/05-health-checks/checks/2_http_check.rs"]
mod ex2_http_check;
#[path = "../../../chapters/05-health-checks/checks/3_flapping.rs"]
mod ex3_flapping;
#[path = "../../../chapters/05-health-checks/checks/4_ready.rs"]
mod ex4_ready;
#[path = "../../../chapters/05-health-checks/checks/5_fail_over.rs"]
mod ex5_fail_over;
#[path = "../../../chapters/05-health-checks/checks/6_passive.rs"]
mod ex6_passive;
#[path = "../../../chapters/05-health-checks/checks/7_circuit_breaker.rs"]
mod ex7_circuit_breaker;
#[path = "../../../chapters/05-health-checks/checks/8_never_empty.rs"]
mod ex8_never_empty;
