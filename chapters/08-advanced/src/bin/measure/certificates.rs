//! Certificates that last for one run, laid out as `CERTS` says, and as nginx and HAProxy want them.

use std::{fs, path::Path, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
    version::TLS13,
};

use crate::cases::Protocol;

/// The name that clients ask for.
pub(crate) const NAME: &str = "one.test";

/// Makes them all.
pub(crate) fn create(folder: &Path) -> Result<(), String> {
    let mut authority = CertificateParams::new([]).map_err(say)?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().map_err(say)?;
    let certificate = authority.self_signed(&key).map_err(say)?;
    write(folder, "ca.pem", &certificate.pem())?;
    let issuer = Issuer::new(authority, key);
    for name in [NAME, "two.test"] {
        let key = KeyPair::generate().map_err(say)?;
        let params = CertificateParams::new([name.to_owned()]).map_err(say)?;
        let certificate = params.signed_by(&key, &issuer).map_err(say)?;
        let (certificate, key) = (certificate.pem(), key.serialize_pem());
        write(folder, &format!("{name}.pem"), &certificate)?;
        write(folder, &format!("{name}.key"), &key)?;
        // HAProxy reads both from one file.
        write(folder, &format!("{name}.both"), &(certificate + &key))?;
    }
    Ok(())
}

/// A client that trusts this authority, and speaks TLS 1.3 alone.
pub(crate) fn client(folder: &Path, protocol: Protocol) -> Result<ClientConfig, String> {
    let path = folder.join("ca.pem");
    let authority = CertificateDer::from_pem_file(&path)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    let mut roots = RootCertStore::empty();
    roots.add(authority).map_err(|error| error.to_string())?;
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| error.to_string())?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = match protocol {
        Protocol::Http2Tls => vec![b"h2".to_vec()],
        Protocol::Http1 | Protocol::Http1Tls => vec![b"http/1.1".to_vec()],
    };
    Ok(config)
}

fn write(folder: &Path, name: &str, text: &str) -> Result<(), String> {
    let path = folder.join(name);
    fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
}

fn say(error: rcgen::Error) -> String {
    format!("cannot make a certificate: {error}")
}
