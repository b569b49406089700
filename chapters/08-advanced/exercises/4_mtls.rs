//! 8.4 Mutual TLS: who the client is, on its certificate's word, in a header that no client can write.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

// TODO 8.4: what you need.
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
// END TODO

/// Tells the upstream who the client is.
const IDENTITY: &str = "x-client-identity";

struct Edge {
    upstreams: Vec<SocketAddr>,
}

// TODO 8.4: who is it? The connection knows, the request does not.
// END TODO

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = ();

    fn new_ctx(&self) {}

    // TODO 8.4: what of a certificate that names nobody?
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
        if let Some(digest) = session.digest().and_then(|it| it.ssl_digest.as_ref())
            && let Some(serial) = &digest.serial_number
        {
            upstream_request.append_header(IDENTITY, serial)?;
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
    let mut tls = TlsSettings::intermediate("", "").unwrap_or_else(|error| refuse(&error));
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
