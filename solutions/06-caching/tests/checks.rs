//! The checks of chapter 06: here they judge the solutions; with CHECK_BINARY set, any other answer.

#[path = "../../../chapters/06-caching/checks/1_hit.rs"]
mod ex1_hit;
#[path = "../../../chapters/06-caching/checks/2_never_store.rs"]
mod ex2_never_store;
#[path = "../../../chapters/06-caching/checks/3_stampede.rs"]
mod ex3_stampede;
#[path = "../../../chapters/06-caching/checks/4_stale.rs"]
mod ex4_stale;
#[path = "../../../chapters/06-caching/checks/5_vary.rs"]
mod ex5_vary;
#[path = "../../../chapters/06-caching/checks/6_validation.rs"]
mod ex6_validation;
#[path = "../../../chapters/06-caching/checks/7_invalidation.rs"]
mod ex7_invalidation;
#[path = "../../../chapters/06-caching/checks/8_ranges.rs"]
mod ex8_ranges;
