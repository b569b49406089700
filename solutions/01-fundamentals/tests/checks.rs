//! The checks of chapter 01: here they judge the solutions; with CHECK_BINARY set, any other answer.

#[path = "../../../chapters/01-fundamentals/checks/1_ping.rs"]
mod ex1_ping;
#[path = "../../../chapters/01-fundamentals/checks/2_trace.rs"]
mod ex2_trace;
#[path = "../../../chapters/01-fundamentals/checks/3_admin.rs"]
mod ex3_admin;
#[path = "../../../chapters/01-fundamentals/checks/4_heartbeat.rs"]
mod ex4_heartbeat;
#[path = "../../../chapters/01-fundamentals/checks/5_tcp_echo.rs"]
mod ex5_tcp_echo;
