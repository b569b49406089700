//! Certificates of the check's own making.

use crate::failure::raise;
use crate::report::Report;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::fmt;
use std::sync::Arc;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Certificates are valid from this year to that, but for those that are meant not to be.
const VALID: (i32, i32) = (2000, 2100);

/// An authority that signs certificates, and that nobody trusts who was not told to.
#[derive(Clone)]
pub struct Authority {
    issuer: Arc<CertifiedIssuer<'static, KeyPair>>,
}

/// A certificate and its private key.
#[derive(Clone)]
pub struct Certificate {
    pem: String,
    key_pem: String,
    der: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Authority {
    /// A new one, different from all others.
    #[allow(
        clippy::new_without_default,
        reason = "two of them are never equal, and a default would be"
    )]
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
            .distinguished_name
            .push(DnType::CommonName, "the check's authority");
        set_validity(&mut params, VALID);
        let issuer = made(CertifiedIssuer::self_signed(
            params,
            made(KeyPair::generate()),
        ));
        Self {
            issuer: Arc::new(issuer),
        }
    }

    /// Its own certificate, which is what others trust.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A server's certificate for these names and addresses; the first is the common name too.
    pub fn certificate<N: Into<String>>(&self, names: impl IntoIterator<Item = N>) -> Certificate {
        self.server(names, VALID)
    }

    /// A server's certificate that was valid until long ago.
    pub fn expired<N: Into<String>>(&self, names: impl IntoIterator<Item = N>) -> Certificate {
        self.server(names, (2000, 2001))
    }

    /// A server's certificate that will be valid in a far year.
    pub fn not_yet_valid<N: Into<String>>(
        &self,
        names: impl IntoIterator<Item = N>,
    ) -> Certificate {
        self.server(names, (2099, 2100))
    }

    /// A client's certificate with this common name.
    pub fn client(&self, name: &str) -> Certificate {
        self.sign(
            CertificateParams::default(),
            name,
            ExtendedKeyUsagePurpose::ClientAuth,
            VALID,
        )
    }

    /// A client's certificate that was valid until long ago.
    pub fn expired_client(&self, name: &str) -> Certificate {
        self.sign(
            CertificateParams::default(),
            name,
            ExtendedKeyUsagePurpose::ClientAuth,
            (2000, 2001),
        )
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    fn server<N: Into<String>>(
        &self,
        names: impl IntoIterator<Item = N>,
        valid: (i32, i32),
    ) -> Certificate {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let common_name = names.first().cloned().unwrap_or_default();
        let params = made(CertificateParams::new(names));
        self.sign(
            params,
            &common_name,
            ExtendedKeyUsagePurpose::ServerAuth,
            valid,
        )
    }

    fn sign(
        &self,
        mut params: CertificateParams,
        common_name: &str,
        purpose: ExtendedKeyUsagePurpose,
        valid: (i32, i32),
    ) -> Certificate {
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![purpose];
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, valid);
        let key = made(KeyPair::generate());
        let certificate = made(params.signed_by(&key, &self.issuer));
        Certificate {
            pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            der: certificate.der().clone(),
            key: key.serialize_der(),
        }
    }
}

impl Certificate {
    /// The certificate, as a file has it.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The private key, as a file has it.
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// The serial number in hexadecimal digits, as `openssl x509 -serial` prints it but in lower case.
    pub fn serial(&self) -> String {
        serial(&self.der)
    }

    pub(crate) fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![self.der.clone()]
    }

    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.clone()).into()
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&describe(&self.der))
    }
}

/// `one.test, serial 0a1b`: enough to tell two certificates apart.
pub(crate) fn describe(der: &[u8]) -> String {
    match X509Certificate::from_der(der) {
        Ok((_, certificate)) => {
            let mut names = certificate.subject().iter_common_name();
            let name = names.next().and_then(|name| name.as_str().ok());
            let name = name.unwrap_or("no common name");
            format!("{name}, serial {}", serial(der))
        }
        Err(_) => "no certificate".to_owned(),
    }
}

fn serial(der: &[u8]) -> String {
    match X509Certificate::from_der(der) {
        Ok((_, certificate)) => {
            let bytes = certificate.raw_serial().iter();
            bytes.map(|byte| format!("{byte:02x}")).collect()
        }
        Err(_) => String::new(),
    }
}

fn set_validity(params: &mut CertificateParams, (from, to): (i32, i32)) {
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(to, 1, 1);
}

/// Only a name that is none makes this fail.
#[track_caller]
fn made<T>(result: Result<T, rcgen::Error>) -> T {
    result.unwrap_or_else(|error| {
        raise(&Report::crash(format!(
            "the check cannot make a certificate: {error}"
        )))
    })
}
