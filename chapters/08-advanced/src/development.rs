//! Certificates for development, in a folder laid out as `CERTS` says: an authority, two servers and a client.
//!
//! Nobody's browser trusts this authority, and nobody's should. A real certificate comes from a public one, by ACME.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Who reads the clock of another machine may be a little behind.
const BACKDATED: Duration = DAY;
/// Apple's systems refuse a server's certificate that is valid for longer than 825 days.
const VALID: Duration = Duration::from_secs(397 * 24 * 60 * 60);

/// A certificate that the authority signs: its file's name, the names in it, what it is for.
struct Leaf {
    file: &'static str,
    names: &'static [&'static str],
    common_name: &'static str,
    purpose: ExtendedKeyUsagePurpose,
}

const LEAVES: [Leaf; 3] = [
    Leaf {
        file: "one.test",
        names: &["one.test", "localhost", "127.0.0.1"],
        common_name: "one.test",
        purpose: ExtendedKeyUsagePurpose::ServerAuth,
    },
    Leaf {
        file: "two.test",
        names: &["two.test"],
        common_name: "two.test",
        purpose: ExtendedKeyUsagePurpose::ServerAuth,
    },
    Leaf {
        file: "client",
        names: &[],
        common_name: "alice",
        purpose: ExtendedKeyUsagePurpose::ClientAuth,
    },
];

/// Makes them all in a folder that has none of them yet.
///
/// # Errors
/// One of the files is there, or cannot be written.
pub(crate) fn create(folder: &Path) -> Result<(), String> {
    let certificates = LEAVES.iter().map(|leaf| leaf.file).chain(["ca"]);
    let taken = certificates
        .flat_map(|name| [format!("{name}.pem"), format!("{name}.key")])
        .map(|name| folder.join(name))
        .find(|path| path.exists());
    if let Some(path) = taken {
        let path = path.display();
        return Err(format!(
            "{path} is there already, and nothing is overwritten. Remove the folder for all new ones, or replace one \
             certificate: cargo run --bin ch08-certificates -- --renew one.test"
        ));
    }
    fs::create_dir_all(folder).map_err(|error| explain(folder, &error))?;

    let key = new_key()?;
    let authority = authority();
    let certificate = authority.self_signed(&key).map_err(say)?;
    write(folder, "ca.key", &key.serialize_pem(), 0o600)?;
    write(folder, "ca.pem", &certificate.pem(), 0o644)?;
    let issuer = Issuer::new(authority, key);
    LEAVES
        .iter()
        .try_for_each(|leaf| issue(folder, leaf, &issuer))
}

/// Replaces one certificate and its key by new ones of the same authority.
///
/// # Errors
/// There is no such certificate, the authority's key is missing, or a file cannot be written.
pub(crate) fn renew(folder: &Path, name: &str) -> Result<(), String> {
    let Some(leaf) = LEAVES.iter().find(|leaf| leaf.file == name) else {
        let known: Vec<_> = LEAVES.iter().map(|leaf| leaf.file).collect();
        return Err(format!(
            "there is no certificate {name:?}; renew one of {}",
            known.join(", ")
        ));
    };
    let path = folder.join("ca.key");
    let key = fs::read_to_string(&path).map_err(|error| explain(&path, &error))?;
    let key = KeyPair::from_pem(&key)
        .map_err(|error| format!("{} is no key: {error}", path.display()))?;
    // With the same name and the same key it is the same authority: who trusts ca.pem trusts what it signs now.
    issue(folder, leaf, &Issuer::new(authority(), key))
}

fn authority() -> CertificateParams {
    let mut params = valid(CertificateParams::default());
    params
        .distinguished_name
        .push(DnType::CommonName, "Chapter 08 development CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn issue(folder: &Path, leaf: &Leaf, issuer: &Issuer<'_, KeyPair>) -> Result<(), String> {
    let names: Vec<String> = leaf.names.iter().map(|&name| name.to_owned()).collect();
    let mut params = valid(CertificateParams::new(names).map_err(say)?);
    params
        .distinguished_name
        .push(DnType::CommonName, leaf.common_name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![leaf.purpose.clone()];
    params.use_authority_key_identifier_extension = true;
    let key = new_key()?;
    let certificate = params.signed_by(&key, issuer).map_err(say)?;
    write(
        folder,
        &format!("{}.key", leaf.file),
        &key.serialize_pem(),
        0o600,
    )?;
    write(
        folder,
        &format!("{}.pem", leaf.file),
        &certificate.pem(),
        0o644,
    )
}

fn valid(mut params: CertificateParams) -> CertificateParams {
    let now = SystemTime::now();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.not_before = (now - BACKDATED).into();
    params.not_after = (now + VALID).into();
    params
}

fn new_key() -> Result<KeyPair, String> {
    KeyPair::generate().map_err(say)
}

/// Whole or not at all: a reader must never find half a file. The mode is there from the first moment on.
fn write(folder: &Path, name: &str, text: &str, mode: u32) -> Result<(), String> {
    let path = folder.join(name);
    let unfinished = folder.join(format!(".{name}.new"));
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&unfinished)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&unfinished, &path));
    written.map_err(|error| explain(&path, &error))
}

fn explain(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

fn say(error: rcgen::Error) -> String {
    format!("cannot make a certificate: {error}")
}
