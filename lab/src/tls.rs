//! What a client of the check asks for in a TLS handshake, and whom it trusts.

use crate::certificate::{Authority, Certificate};
use crate::failure::raise;
use crate::report::Report;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme,
    SupportedProtocolVersion,
};
use std::sync::Arc;
use tokio_rustls::TlsConnector;

/// The address that the lab's servers have: with it instead of a name a client sends no server name.
const ADDRESS: &str = "127.0.0.1";

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// RFC 5246.
    V1_2,
    /// RFC 8446.
    V1_3,
}

/// How a client speaks TLS: `Tls::trusting(&authority).name("one.test").alpn(["h2"])`.
#[derive(Clone, Debug)]
pub struct Tls {
    authority: Option<Authority>,
    name: String,
    sends_name: bool,
    alpn: Vec<Vec<u8>>,
    version: Option<TlsVersion>,
    client: Option<Certificate>,
}

/// The same, ready for use. Connections that share it can resume each other's sessions.
#[derive(Clone, Debug)]
pub(crate) struct Dialer {
    pub(crate) name: String,
    server_name: ServerName<'static>,
    config: Arc<ClientConfig>,
}

impl Tls {
    /// Trusts certificates of this authority alone. Until it is given a name it asks for `127.0.0.1`, which is an
    /// address: nothing tells the server a name then.
    pub fn trusting(authority: &Authority) -> Self {
        Self {
            authority: Some(authority.clone()),
            ..Self::trusting_anybody()
        }
    }

    /// Takes any certificate, for a check that looks at it by itself.
    pub fn trusting_anybody() -> Self {
        Self {
            authority: None,
            name: ADDRESS.to_owned(),
            sends_name: true,
            alpn: Vec::new(),
            version: None,
            client: None,
        }
    }

    /// Asks for this name (SNI), which must be in the certificate.
    pub fn name(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self
    }

    /// Sends no server name; the name must be in the certificate all the same.
    pub fn without_server_name(mut self) -> Self {
        self.sends_name = false;
        self
    }

    /// Offers these protocols, the first one first.
    pub fn alpn<P: Into<Vec<u8>>>(mut self, protocols: impl IntoIterator<Item = P>) -> Self {
        self.alpn = protocols.into_iter().map(Into::into).collect();
        self
    }

    /// Speaks this version and no other.
    pub fn version(mut self, version: TlsVersion) -> Self {
        self.version = Some(version);
        self
    }

    /// Shows this certificate if the server asks for one.
    pub fn client(mut self, certificate: &Certificate) -> Self {
        self.client = Some(certificate.clone());
        self
    }

    #[track_caller]
    pub(crate) fn dialer(self) -> Dialer {
        let server_name = ServerName::try_from(self.name.clone()).unwrap_or_else(|error| {
            raise(&Report::crash(format!(
                "the check cannot ask for the name {}: {error}",
                self.name
            )))
        });
        Dialer {
            config: Arc::new(usable(self.config())),
            name: self.name,
            server_name,
        }
    }

    fn config(&self) -> Result<ClientConfig, rustls::Error> {
        let provider = provider();
        let versions: &[&SupportedProtocolVersion] = match self.version {
            None => rustls::ALL_VERSIONS,
            Some(TlsVersion::V1_2) => &[&rustls::version::TLS12],
            Some(TlsVersion::V1_3) => &[&rustls::version::TLS13],
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_protocol_versions(versions)?;
        let builder = match &self.authority {
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.der())?;
                builder.with_root_certificates(roots)
            }
            None => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anybody(provider))),
        };
        let mut config = match &self.client {
            Some(client) => builder.with_client_auth_cert(client.chain(), client.key())?,
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols.clone_from(&self.alpn);
        config.enable_sni = self.sends_name;
        Ok(config)
    }
}

impl Dialer {
    pub(crate) fn connector(&self) -> TlsConnector {
        TlsConnector::from(Arc::clone(&self.config))
    }

    pub(crate) fn server_name(&self) -> ServerName<'static> {
        self.server_name.clone()
    }
}

/// What a server with this certificate needs. It speaks HTTP/1.1 alone.
#[track_caller]
pub(crate) fn server_config(certificate: &Certificate) -> Arc<ServerConfig> {
    let config = || -> Result<ServerConfig, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(certificate.chain(), certificate.key())?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    };
    Arc::new(usable(config()))
}

/// Named, because a program with two providers has no default.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

#[track_caller]
fn usable<T>(config: Result<T, rustls::Error>) -> T {
    config.unwrap_or_else(|error| {
        raise(&Report::crash(format!(
            "the check cannot speak TLS as it is told to: {error}"
        )))
    })
}

/// Trusts every certificate whose key the server has.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
