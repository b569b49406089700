//! The server's certificates: chosen by the name that a client asks for, and read again when their files change.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use pingora::{server::ShutdownWatch, services::background::BackgroundService};
use rustls::{
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::time::{MissedTickBehavior, interval};

/// The first one is also for who asks for another name, or for none.
const NAMES: [&str; 2] = ["one.test", "two.test"];

/// All certificates. As a background service it looks after their files.
pub(crate) struct Certificates {
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
    /// What was found last: content that was complained of once is not complained of again.
    seen: Mutex<Found>,
}

/// The bytes of the two files, or which of them cannot be read and why.
type Found = Result<(Vec<u8>, Vec<u8>), String>;

impl Certificates {
    /// Reads `NAME.pem` and `NAME.key` of each name; later it looks for changes so often. The error names the file.
    pub(crate) fn read(folder: &Path, every: Duration) -> Result<Self, String> {
        let pairs = NAMES
            .iter()
            .map(|name| Pair::read(folder, name).map(Arc::new));
        Ok(Self {
            pairs: pairs.collect::<Result<_, String>>()?,
            every,
        })
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let asked = hello.server_name().unwrap_or_default();
        let mut pairs = self.pairs.iter();
        let pair = pairs.find(|pair| pair.name.eq_ignore_ascii_case(asked));
        Some(pair.or(self.pairs.first())?.current.load_full())
    }
}

#[async_trait]
impl BackgroundService for Certificates {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let mut ticks = interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = shutdown.changed() => return,
            }
            for pair in &self.pairs {
                let pair = Arc::clone(pair);
                // Files block, and so does checking a key.
                if let Err(error) = tokio::task::spawn_blocking(move || pair.look()).await {
                    log::error!("cannot look at the certificates: {error}");
                }
            }
        }
    }
}

impl Pair {
    fn read(folder: &Path, name: &'static str) -> Result<Self, String> {
        let certificate = folder.join(format!("{name}.pem"));
        let key = folder.join(format!("{name}.key"));
        let found = read(&certificate, &key);
        let current = certified(&found, &certificate, &key)?;
        Ok(Self {
            name,
            certificate,
            key,
            current: ArcSwap::from_pointee(current),
            seen: Mutex::new(found),
        })
    }

    /// Compares content, not times: a renamed file may be older than the one it replaces, and a link that Kubernetes
    /// points elsewhere has no new time at all.
    fn look(&self) {
        let found = read(&self.certificate, &self.key);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == found {
            return;
        }
        let name = self.name;
        match certified(&found, &self.certificate, &self.key) {
            Ok(new) => {
                self.current.store(Arc::new(new));
                log::info!("new connections get the new certificate of {name}");
            }
            Err(why) => log::error!("{why}; the old certificate of {name} stays"),
        }
        *seen = found;
    }
}

fn read(certificate: &Path, key: &Path) -> Found {
    let bytes =
        |path: &Path| fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    Ok((bytes(certificate)?, bytes(key)?))
}

/// The pair, if both files are whole and belong together: one of them may be new and the other one not yet.
fn certified(found: &Found, certificate: &Path, key: &Path) -> Result<CertifiedKey, String> {
    let (chain, private) = found.as_ref().map_err(String::clone)?;
    let wrong = |path: &Path, what: &dyn fmt::Display| format!("{}: {what}", path.display());
    let chain = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong(certificate, &error))?;
    if chain.is_empty() {
        return Err(wrong(certificate, &"no certificate is in it"));
    }
    let private = PrivateKeyDer::from_pem_slice(private).map_err(|error| wrong(key, &error))?;
    CertifiedKey::from_der(chain, private, &ring::default_provider())
        .map_err(|error| format!("{} with {}: {error}", certificate.display(), key.display()))
}

impl fmt::Debug for Certificates {
    /// Without the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.pairs.iter().map(|pair| pair.name);
        f.debug_list().entries(names).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertifiedKey as Made, generate_simple_self_signed};

    fn write(folder: &Path, name: &str) -> Made<rcgen::KeyPair> {
        let made = generate_simple_self_signed([name.to_owned()]).unwrap();
        fs::write(folder.join(format!("{name}.pem")), made.cert.pem()).unwrap();
        let key = made.signing_key.serialize_pem();
        fs::write(folder.join(format!("{name}.key")), key).unwrap();
        made
    }

    fn shows(pair: &Pair, made: &Made<rcgen::KeyPair>) -> bool {
        pair.current.load().cert.first() == Some(made.cert.der())
    }

    #[test]
    fn a_new_pair_counts_once_both_files_belong_together() {
        let folder = std::env::temp_dir().join(format!("ch08-pair-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let old = write(&folder, "one.test");
        let pair = Pair::read(&folder, "one.test").unwrap();
        assert!(shows(&pair, &old));

        let new = generate_simple_self_signed(["one.test".to_owned()]).unwrap();
        for broken in ["", "-----BEGIN CERTIFICATE-----\nMIIB", &new.cert.pem()] {
            fs::write(folder.join("one.test.pem"), broken).unwrap();
            pair.look();
            assert!(shows(&pair, &old));
        }
        let key = new.signing_key.serialize_pem();
        fs::write(folder.join("one.test.key"), key).unwrap();
        pair.look();
        assert!(shows(&pair, &new));

        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let error = Pair::read(Path::new("/nowhere"), "one.test").err().unwrap();
        assert!(error.starts_with("/nowhere/one.test.pem: "), "{error}");
    }
}
