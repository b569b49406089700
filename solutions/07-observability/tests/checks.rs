//! The checks of chapter 07: here they judge the solutions; with CHECK_BINARY set, any other answer.

#[path = "../../../chapters/07-observability/checks/1_access_log.rs"]
mod ex1_access_log;
#[path = "../../../chapters/07-observability/checks/2_counters.rs"]
mod ex2_counters;
#[path = "../../../chapters/07-observability/checks/3_histograms.rs"]
mod ex3_histograms;
#[path = "../../../chapters/07-observability/checks/4_in_flight.rs"]
mod ex4_in_flight;
#[path = "../../../chapters/07-observability/checks/5_traceparent.rs"]
mod ex5_traceparent;
#[path = "../../../chapters/07-observability/checks/6_spans.rs"]
mod ex6_spans;
#[path = "../../../chapters/07-observability/checks/7_noise.rs"]
mod ex7_noise;
