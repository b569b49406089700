//! 8.4 Mutual TLS: who the client is, on its certificate's word, in a header that no client can write.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

// TODO 8.4: what you need.
use std::any::Any;
use std::path::Path;
use std::sync::Arc;
// END TODO
use async_trait::async_trait;
use env_logger::Env;
use pingora::{
    Error,
    ErrorType::HTTPStatus,
    Result,
    http::RequestHeader,
    listeners::tls::TlsSettings,
    prelude::HttpPeer,
    proxy::{ProxyHttp, Session, http_proxy_service},
    server::{Server, configuration::Opt},
};
// TODO 8.4: and of these?
use http::{HeaderName, HeaderValue};
use pingora::{listeners::TlsAccept, protocols::tls::TlsRef};
use rustls::{
    RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
// END TODO

/// Tells the upstream who the client is.
const IDENTITY: &str = "x-client-identity";

struct Edge {
    upstreams: Vec<SocketAddr>,
}

// TODO 8.4: who is it? The connection knows, the request does not.
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

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = ();

    fn new_ctx(&self) {}

    // TODO 8.4: what of a certificate that names nobody?
    async fn request_filter(&self, session: &mut Session, _ctx: &mut ()) -> Result<bool> {
        let over_tls = session.digest().is_some_and(|it| it.ssl_digest.is_some());
        if over_tls && identity(session).is_none() {
            return Error::e_explain(HTTPStatus(403), "the certificate has no usable name");
        }
        Ok(false)
    }
    // END TODO

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        let Some(upstream) = self.upstreams.first() else {
            return Error::e_explain(HTTPStatus(502), "no upstream");
        };
        let mut peer = HttpPeer::new(upstream, false, String::new());
        peer.options.connection_timeout = Some(Duration::from_secs(3));
        peer.options.read_timeout = Some(Duration::from_secs(30));
        Ok(Box::new(peer))
    }

    /// What is written here, nothing takes away: Pingora has dropped before what the client named in `Connection`
    /// (pingora-proxy, proxy_h1.rs).
    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        upstream_request: &mut RequestHeader,
        _ctx: &mut (),
    ) -> Result<()> {
        // TODO 8.4: first take away what the client says of itself, in all spellings, then say who it is.
        // Many servers make one variable of `x-client-identity` and `x_client_identity` (RFC 3875, section 4.1.18).
        let names = upstream_request.headers.keys();
        let forged = names.filter(|name| name.as_str().replace('_', "-") == IDENTITY);
        for name in forged.cloned().collect::<Vec<HeaderName>>() {
            upstream_request.remove_header(&name);
        }
        if let Some(Identity(name)) = identity(session) {
            upstream_request.insert_header(IDENTITY, name)?;
        }
        // END TODO
        Ok(())
    }
}

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let listen_tls = upstreams::listen("LISTEN_TLS", "127.0.0.1:6443");
    let upstreams = upstreams::from_env();
    let [ca, certificate, key] = ["ca.pem", "one.test.pem", "one.test.key"].map(file);

    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(|error| refuse(&error));
    server.bootstrap();

    // TODO 8.4: ask each client for its certificate, and keep who it is.
    let tls = TlsSettings::with_callbacks(Box::new(Identify));
    let mut tls = tls.unwrap_or_else(|error| refuse(&error));
    tls.set_client_cert_verifier(verifier(Path::new(&ca)).unwrap_or_else(|why| refuse(&why)));
    // END TODO
    tls.set_certificate_chain_file(&certificate)
        .and_then(|()| tls.set_private_key_file(&key))
        .unwrap_or_else(|error| refuse(&error));
    let mut proxy = http_proxy_service(&server.configuration, Edge { upstreams });
    proxy.add_tcp(&listen);
    proxy.add_tls_with_settings(&listen_tls, None, tls);
    server.add_service(proxy);

    println!("Listening on http://{listen} and https://{listen_tls}, clients are known by {ca}.");
    println!("In another terminal, try:");
    println!("  curl -s --cacert {ca} https://{listen_tls}/ | grep -i identity");
    server.run_forever();
}

/// A file in the folder of certificates, which `CERTS` names.
fn file(name: &str) -> String {
    let folder = PathBuf::from(std::env::var_os("CERTS").unwrap_or_else(|| "certs".into()));
    let path = folder.join(name);
    if let Err(error) = std::fs::File::open(&path) {
        let path = path.display();
        refuse(&format!(
            "{path}: {error}; make it: cargo run --bin ch08-certificates"
        ));
    }
    path.display().to_string()
}

fn refuse(why: &dyn Display) -> ! {
    eprintln!("cannot start: {why}");
    std::process::exit(2)
}
