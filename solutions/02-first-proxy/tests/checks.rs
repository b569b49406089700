//! The checks of chapter 02: here they judge the solutions; with CHECK_BINARY set, any other answer.

#[path = "../../../chapters/02-first-proxy/checks/1_forward.rs"]
mod ex1_forward;
#[path = "../../../chapters/02-first-proxy/checks/2_healthz.rs"]
mod ex2_healthz;
#[path = "../../../chapters/02-first-proxy/checks/3_timeouts.rs"]
mod ex3_timeouts;
#[path = "../../../chapters/02-first-proxy/checks/4_request_id.rs"]
mod ex4_request_id;
#[path = "../../../chapters/02-first-proxy/checks/5_forwarded.rs"]
mod ex5_forwarded;
#[path = "../../../chapters/02-first-proxy/checks/6_names.rs"]
mod ex6_names;
