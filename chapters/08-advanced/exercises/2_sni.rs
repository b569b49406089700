//! 8.2 Two names, two certificates: chosen by the name that a client asks for, and swapped while connections stay.

use std::fmt::{self, Display};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

// TODO 8.2: what you need.
// END TODO
use arc_swap::ArcSwap;
use async_trait::async_trait;
use env_logger::Env;
use pingora::{
    Error,
    ErrorType::HTTPStatus,
    Result,
    listeners::tls::TlsSettings,
    prelude::HttpPeer,
    proxy::{ProxyHttp, Session, http_proxy_service},
    server::{Server, ShutdownWatch, configuration::Opt},
    services::background::{BackgroundService, background_service},
};
use rustls::{
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

struct Edge {
    upstreams: Vec<SocketAddr>,
}

/// The certificates by name. The first one is also for who asks for another name, or for none.
struct Certificates {
    pairs: Vec<Arc<Pair>>,
    every: Duration,
}

/// A certificate with its key.
struct Pair {
    name: &'static str,
    certificate: PathBuf,
    key: PathBuf,
    /// What new connections get.
    current: ArcSwap<CertifiedKey>,
    // TODO 8.2: what must be known from one look to the next?
    // END TODO
}

/// The bytes of the two files, or which of them cannot be read and why.
type Found = Result<(Vec<u8>, Vec<u8>), String>;

impl Pair {
    fn load(folder: &Path, name: &'static str) -> Result<Self, String> {
        let certificate = folder.join(format!("{name}.pem"));
        let key = folder.join(format!("{name}.key"));
        let found = read(&certificate, &key);
        let current = certified(&found, &certificate, &key)?;
        Ok(Self {
            name,
            certificate,
            key,
            current: ArcSwap::from_pointee(current),
            // TODO 8.2: and at the first one?
            // END TODO
        })
    }

    /// Called every `RELOAD_MS`, on a thread that may block.
    fn look(&self) {
        // TODO 8.2: what if the files have changed? And if what is in them now is of no use?
        let [certificate, key] = [&self.certificate, &self.key].map(|it| it.display());
        log::debug!("{certificate} and {key} are as they were at the start");
        // END TODO
    }
}

fn read(certificate: &Path, key: &Path) -> Found {
    let bytes = |path: &Path| std::fs::read(path).map_err(|error| wrong(path, &error));
    Ok((bytes(certificate)?, bytes(key)?))
}

/// What a server needs, if both files are whole and belong together.
fn certified(found: &Found, certificate: &Path, key: &Path) -> Result<CertifiedKey, String> {
    let (chain, private) = found.as_ref().map_err(String::clone)?;
    let chain = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong(certificate, &error))?;
    if chain.is_empty() {
        return Err(wrong(certificate, &"no certificate is in it"));
    }
    let private = PrivateKeyDer::from_pem_slice(private).map_err(|error| wrong(key, &error))?;
    CertifiedKey::from_der(chain, private, &ring::default_provider())
        .map_err(|error| wrong(certificate, &format!("with {}: {error}", key.display())))
}

fn wrong(path: &Path, what: &dyn Display) -> String {
    format!("{}: {what}", path.display())
}

impl ResolvesServerCert for Certificates {
    /// Runs in every handshake. Without a certificate, the handshake is refused.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // TODO 8.2: which of them did the client ask for?
        let _ = hello;
        let pair = self.pairs.first()?;
        // END TODO
        Some(pair.current.load_full())
    }
}

#[async_trait]
impl BackgroundService for Certificates {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let mut ticks = tokio::time::interval(self.every);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = shutdown.changed() => return,
            }
            for pair in &self.pairs {
                let pair = Arc::clone(pair);
                if let Err(error) = tokio::task::spawn_blocking(move || pair.look()).await {
                    log::error!("cannot look at the certificates: {error}");
                }
            }
        }
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.pairs.iter().map(|pair| pair.name);
        f.debug_list().entries(names).finish()
    }
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        let Some(upstream) = self.upstreams.first() else {
            return Error::e_explain(HTTPStatus(502), "no upstream");
        };
        let mut peer = HttpPeer::new(upstream, false, String::new());
        peer.options.connection_timeout = Some(Duration::from_secs(3));
        peer.options.read_timeout = Some(Duration::from_secs(30));
        Ok(Box::new(peer))
    }
}

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let listen_tls = upstreams::listen("LISTEN_TLS", "127.0.0.1:6443");
    let upstreams = upstreams::from_env();
    let folder = PathBuf::from(std::env::var_os("CERTS").unwrap_or_else(|| "certs".into()));
    let pairs = ["one.test", "two.test"].map(|name| match Pair::load(&folder, name) {
        Ok(pair) => Arc::new(pair),
        Err(why) => refuse(&format!(
            "{why}; make it: cargo run --bin ch08-certificates"
        )),
    });
    let certificates = Certificates {
        pairs: pairs.into(),
        every: milliseconds("RELOAD_MS", 1_000),
    };
    let reload = background_service("certificates", certificates);

    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(|error| refuse(&error));
    server.bootstrap();

    // No files here: a resolver takes their place (pingora-core, listeners/tls/rustls/mod.rs).
    let mut tls = TlsSettings::intermediate("", "").unwrap_or_else(|error| refuse(&error));
    tls.set_cert_resolver(reload.task());
    let mut proxy = http_proxy_service(&server.configuration, Edge { upstreams });
    proxy.add_tcp(&listen);
    proxy.add_tls_with_settings(&listen_tls, None, tls);
    server.add_service(proxy);
    server.add_service(reload);

    println!("Listening on http://{listen} and https://{listen_tls}. In another terminal, try:");
    println!("  openssl s_client -connect {listen_tls} -servername two.test");
    server.run_forever();
}

fn milliseconds(variable: &str, default: u64) -> Duration {
    let text = std::env::var(variable).unwrap_or_else(|_| default.to_string());
    match text.parse() {
        Ok(milliseconds @ 1..) => Duration::from_millis(milliseconds),
        _ => refuse(&format!(
            "{variable}: {text:?} is no number of milliseconds above 0"
        )),
    }
}

fn refuse(why: &dyn Display) -> ! {
    eprintln!("cannot start: {why}");
    std::process::exit(2)
}
