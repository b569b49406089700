//! Writes who the client is, and leaves what the client wrote where there is nothing to write.
//! fails: nobody_is_anybody_on_the_plain_port, no_client_says_who_it_is

// TODO 8.4
use std::any::Any;
use std::path::Path;
use std::sync::Arc;
// END TODO

// TODO 8.4
use http::HeaderValue;
use pingora::{listeners::TlsAccept, protocols::tls::TlsRef};
use rustls::{
    RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
// END TODO

// TODO 8.4
/// The common name in a client's certificate, kept with the connection.
struct Identity(HeaderValue);

/// Looks at a certificate once a handshake is done, when it has been verified.
struct Identify;

#[async_trait]
impl TlsAccept for Identify {
    async fn handshake_complete_callback(
        &self,
        tls: &TlsRef,
    ) -> Option<Arc<dyn Any + Send + Sync>> {
        let name = common_name(tls.peer_certificate_der()?)?;
        Some(Arc::new(Identity(name)))
    }
}

/// The one common name, if it can stand in a header: it may hold anything, a line break too.
fn common_name(certificate: &[u8]) -> Option<HeaderValue> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let mut names = certificate.subject().iter_common_name();
    let name = names.next()?.as_str().ok()?;
    // Spaces at its ends would be lost on the way, and ` alice` would be alice.
    let fit = !name.is_empty() && name.bytes().all(|it| it.is_ascii_graphic() || it == b' ');
    if !fit || name.trim() != name || names.next().is_some() {
        return None;
    }
    HeaderValue::from_str(name).ok()
}

fn identity(session: &Session) -> Option<&Identity> {
    let digest = session.digest()?.ssl_digest.as_ref()?;
    digest.extension.get::<Identity>()
}

/// Lets in whoever has a certificate of an authority in this file.
fn verifier(path: &Path) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let wrong = |what: &dyn Display| format!("{}: {what}", path.display());
    let pem = std::fs::read(path).map_err(|error| wrong(&error))?;
    let mut authorities = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| wrong(&error))?;
        authorities
            .add(certificate)
            .map_err(|error| wrong(&error))?;
    }
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), provider);
    // Refuses an empty file too.
    verifier.build().map_err(|error| wrong(&error))
}
// END TODO

// TODO 8.4
async fn request_filter(&self, session: &mut Session, _ctx: &mut ()) -> Result<bool> {
    let over_tls = session.digest().is_some_and(|it| it.ssl_digest.is_some());
    if over_tls && identity(session).is_none() {
        return Error::e_explain(HTTPStatus(403), "the certificate has no usable name");
    }
    Ok(false)
}
// END TODO

// TODO 8.4
if let Some(Identity(name)) = identity(session) {
    upstream_request.insert_header(IDENTITY, name)?;
}
// END TODO

// TODO 8.4
let tls = TlsSettings::with_callbacks(Box::new(Identify));
let mut tls = tls.unwrap_or_else(|error| refuse(&error));
tls.set_client_cert_verifier(verifier(Path::new(&ca)).unwrap_or_else(|why| refuse(&why)));
// END TODO
