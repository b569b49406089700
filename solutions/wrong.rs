//! Known wrong answers, one binary a chapter: each must fail a check. Composed by build.rs from chapters/*/checks/wrong.
#![allow(
    clippy::all,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    unused_imports,
    unused_variables,
    unused_mut,
    reason = "these are the mistakes that the checks must catch"
)]

include!(concat!(env!("OUT_DIR"), "/wrong.rs"));
