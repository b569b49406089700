//! 8.3 HTTPS to the upstream: a connection that nobody else can read, to the server that is meant and to no other.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

// TODO 8.3: what you need.
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
    prelude::HttpPeer,
    proxy::{ProxyHttp, Session, http_proxy_service},
    server::{Server, configuration::Opt},
};
// TODO 8.3: and of these?
use pingora::{
    protocols::tls::CaType,
    utils::tls::{WrappedX509, parse_x509},
};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
// END TODO

struct Edge {
    upstreams: Vec<SocketAddr>,
    /// What the upstream is called, whatever its address is.
    upstream_name: String,
    // TODO 8.3: whom does the proxy believe?
    /// Who may say of a server that it has this name.
    authorities: Arc<CaType>,
    // END TODO
}

// TODO 8.3: where does that come from?
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

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        let Some(upstream) = self.upstreams.first() else {
            return Error::e_explain(HTTPStatus(502), "no upstream");
        };
        // TODO 8.3: a handshake needs a name, and somebody who vouches for it.
        let mut peer = HttpPeer::new(upstream, true, self.upstream_name.clone());
        // In place of all authorities that the machine knows.
        peer.options.ca = Some(Arc::clone(&self.authorities));
        // END TODO
        peer.options.connection_timeout = Some(Duration::from_secs(3));
        // The handshake with it: a server that accepts and says nothing would be waited for without end.
        peer.options.total_connection_timeout = Some(Duration::from_secs(5));
        peer.options.read_timeout = Some(Duration::from_secs(30));
        Ok(Box::new(peer))
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        upstream_request: &mut RequestHeader,
        _ctx: &mut (),
    ) -> Result<()> {
        // TODO 8.3: whom does the request ask for?
        // A server with several names answers 421 where Host is not the one of the handshake (RFC 9110, 15.5.20).
        match session.req_header().headers.get("host") {
            Some(asked) => upstream_request.insert_header("x-forwarded-host", asked)?,
            None => _ = upstream_request.remove_header("x-forwarded-host"),
        }
        upstream_request.insert_header("host", &self.upstream_name)
        // END TODO
    }
}

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let upstreams = upstreams::from_env();
    let upstream_name = std::env::var("UPSTREAM_NAME").unwrap_or_else(|_| "one.test".to_owned());
    // TODO 8.3: is every text a name?
    // An empty one turns verification off where Pingora is built with OpenSSL or BoringSSL, and fails with rustls.
    if ServerName::try_from(upstream_name.as_str()).is_err() {
        refuse(&format!(
            "UPSTREAM_NAME: {upstream_name:?} is no name of a server"
        ));
    }
    // END TODO
    let folder = PathBuf::from(std::env::var_os("CERTS").unwrap_or_else(|| "certs".into()));
    let ca = folder.join("ca.pem");
    if let Err(error) = std::fs::File::open(&ca) {
        let ca = ca.display();
        refuse(&format!(
            "{ca}: {error}; make it: cargo run --bin ch08-certificates"
        ));
    }

    let edge = Edge {
        upstreams,
        upstream_name,
        // TODO 8.3: read it at the start.
        authorities: authorities(&ca).unwrap_or_else(|why| refuse(&why)),
        // END TODO
    };

    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(|error| refuse(&error));
    server.bootstrap();

    let mut proxy = http_proxy_service(&server.configuration, edge);
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    println!("Listening on http://{listen}, in front of upstreams that speak TLS.");
    println!("In another terminal, try: curl -si http://{listen}/");
    server.run_forever();
}

fn refuse(why: &dyn Display) -> ! {
    eprintln!("cannot start: {why}");
    std::process::exit(2)
}
