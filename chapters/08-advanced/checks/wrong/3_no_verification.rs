//! Verifies nothing, since the authority was unknown to the machine.
//! fails: another_name_is_not_believed, a_foreign_authority_is_not_believed, an_authority_of_the_machine_is_not_believed, a_certificate_is_believed_in_its_time

// TODO 8.3
use std::path::Path;
use std::sync::Arc;
// END TODO

// TODO 8.3
use pingora::{
    protocols::tls::CaType,
    utils::tls::{WrappedX509, parse_x509},
};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
// END TODO

// TODO 8.3
/// Who may say of a server that it has this name.
authorities: Arc<CaType>,
// END TODO

// TODO 8.3
/// The certificates in the file, which are parsed once, at the start.
fn authorities(path: &Path) -> Result<Arc<CaType>, String> {
    let wrong = |what: &dyn Display| format!("{}: {what}", path.display());
    let pem = std::fs::read(path).map_err(|error| wrong(&error))?;
    let certificates = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong(&error))?;
    let mut authorities = Vec::new();
    for certificate in certificates {
        // Asked before, since Pingora's own parser panics (pingora-core, utils/tls/rustls.rs).
        x509_parser::parse_x509_certificate(&certificate).map_err(|error| wrong(&error))?;
        authorities.push(WrappedX509::new(certificate.to_vec(), parse_x509));
    }
    if authorities.is_empty() {
        return Err(wrong(&"no certificate is in it"));
    }
    Ok(authorities.into())
}
// END TODO

// TODO 8.3
let mut peer = HttpPeer::new(upstream, true, self.upstream_name.clone());
// In place of all authorities that the machine knows.
peer.options.verify_cert = false;
peer.options.ca = Some(Arc::clone(&self.authorities));
// END TODO

// TODO 8.3
// A server with several names answers 421 where Host is not the one of the handshake (RFC 9110, 15.5.20).
match session.req_header().headers.get("host") {
    Some(asked) => upstream_request.insert_header("x-forwarded-host", asked)?,
    None => _ = upstream_request.remove_header("x-forwarded-host"),
}
upstream_request.insert_header("host", &self.upstream_name)
// END TODO

// TODO 8.3
// An empty one turns verification off where Pingora is built with OpenSSL or BoringSSL, and fails with rustls.
if ServerName::try_from(upstream_name.as_str()).is_err() {
    refuse(&format!(
        "UPSTREAM_NAME: {upstream_name:?} is no name of a server"
    ));
}
// END TODO

// TODO 8.3
authorities: authorities(&ca).unwrap_or_else(|why| refuse(&why)),
// END TODO
