//! The checks of chapter 03: here they judge the solutions; with CHECK_BINARY set, any other answer.

#[path = "../../../chapters/03-request-response/checks/1_routes.rs"]
mod ex1_routes;
#[path = "../../../chapters/03-request-response/checks/2_rewrite.rs"]
mod ex2_rewrite;
#[path = "../../../chapters/03-request-response/checks/3_guard.rs"]
mod ex3_guard;
#[path = "../../../chapters/03-request-response/checks/4_limit.rs"]
mod ex4_limit;
#[path = "../../../chapters/03-request-response/checks/5_json_body.rs"]
mod ex5_json_body;
#[path = "../../../chapters/03-request-response/checks/6_rate_limit.rs"]
mod ex6_rate_limit;
#[path = "../../../chapters/03-request-response/checks/7_compression.rs"]
mod ex7_compression;
