//! The checks of chapter 04: here they judge the solutions; with CHECK_BINARY set, any other answer.

#[path = "../../../chapters/04-load-balancing/checks/1_round_robin.rs"]
mod ex1_round_robin;
#[path = "../../../chapters/04-load-balancing/checks/2_smooth_weights.rs"]
mod ex2_smooth_weights;
#[path = "../../../chapters/04-load-balancing/checks/3_sticky.rs"]
mod ex3_sticky;
#[path = "../../../chapters/04-load-balancing/checks/4_least_connections.rs"]
mod ex4_least_connections;
#[path = "../../../chapters/04-load-balancing/checks/5_nobody_home.rs"]
mod ex5_nobody_home;
#[path = "../../../chapters/04-load-balancing/checks/6_live.rs"]
mod ex6_live;
#[path = "../../../chapters/04-load-balancing/checks/7_peak_ewma.rs"]
mod ex7_peak_ewma;
