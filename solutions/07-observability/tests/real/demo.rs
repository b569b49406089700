//! The chapter's demo, as it is run by a learner.

use std::{
    path::{Path, PathBuf},
    sync::LazyLock,
};

use course::cargo::{Diagnostics, Target, build};
use lab::{Proxy, ProxyBuilder};

/// Built once a run. Cargo says where a package's own programs are, but not those of another.
static DEMO: LazyLock<PathBuf> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = Target::Binary("ch07-observability");
    match build(&root, "ch07-observability", target, Diagnostics::Returned) {
        Ok(built) => built.executable,
        Err(error) => {
            eprintln!("{}", error.text());
            PathBuf::from("ch07-observability, which cannot be built")
        }
    }
});

pub(crate) fn demo() -> ProxyBuilder {
    Proxy::at_path(&*DEMO, "7-0")
}
