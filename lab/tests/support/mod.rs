//! What the tests share.

#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::path::PathBuf;

/// The example `relay`, which cargo builds beside the tests.
pub(crate) fn relay() -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    let folder = test
        .ancestors()
        .nth(2)
        .expect("tests are in target/debug/deps");
    let path = folder.join("examples/relay");
    assert!(
        path.is_file(),
        "build it first: cargo build -p lab --example relay"
    );
    path
}
