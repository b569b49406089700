//! The demo with certificates of the test's own, and how to reach it.

use std::{path::PathBuf, sync::LazyLock};

use course::cargo;
use lab::{Certificates, Proxy, ProxyBuilder, Target, Tls};

/// Built once a run.
static DEMO: LazyLock<PathBuf> = LazyLock::new(|| cargo::demo("ch08-advanced"));

pub(crate) fn demo(certificates: &Certificates) -> ProxyBuilder {
    Proxy::at_path(&*DEMO, "8-0")
        .env("CERTS", certificates.folder())
        // Where the process id and the upgrade's socket go: away with the certificates.
        .env("RUNTIME_DIRECTORY", certificates.folder())
}

/// A client that asks for one.test and trusts the authority.
pub(crate) fn tls(certificates: &Certificates) -> Tls {
    Tls::trusting(certificates.authority()).name("one.test")
}

/// The TLS port, with HTTP/1.1.
pub(crate) fn https(proxy: &Proxy, certificates: &Certificates) -> Target {
    let tls = tls(certificates).alpn(["http/1.1"]);
    proxy.port("LISTEN_TLS").tls(tls)
}
