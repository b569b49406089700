//! 8.1 HTTPS: the plain port sends every client to the TLS port, and over TLS browsers learn not to ask there again.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use env_logger::Env;
// TODO 8.1: what you need.
// END TODO
use pingora::{
    Error,
    ErrorType::HTTPStatus,
    Result,
    http::{RequestHeader, ResponseHeader},
    prelude::HttpPeer,
    proxy::{ProxyHttp, Session, http_proxy_service},
    server::{Server, configuration::Opt},
};

struct Edge {
    upstreams: Vec<SocketAddr>,
    /// Where `LISTEN_TLS` listens.
    tls_port: u16,
}

/// Whether the client came over TLS: then Pingora has a digest of the handshake.
fn is_tls(session: &Session) -> bool {
    session
        .digest()
        .is_some_and(|digest| digest.ssl_digest.is_some())
}

// TODO 8.1: the same place, over TLS. What of its port, its query, and of what is no host?
fn location(request: &RequestHeader, _tls_port: u16) -> Option<String> {
    let host = request.headers.get("host")?.to_str().ok()?;
    Some(format!("https://{host}{}", request.uri.path()))
}
// END TODO

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn request_filter(&self, session: &mut Session, _ctx: &mut ()) -> Result<bool> {
        if is_tls(session) {
            return Ok(false);
        }
        let Some(location) = location(session.req_header(), self.tls_port) else {
            return Error::e_explain(HTTPStatus(400), "no host to redirect to");
        };
        // TODO 8.1: which status keeps a POST a POST?
        let mut header = ResponseHeader::build(301, Some(2))?;
        // END TODO
        header.insert_header("location", location)?;
        header.set_content_length(0)?;
        session
            .write_response_header(Box::new(header), true)
            .await?;
        Ok(true)
    }

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        let Some(upstream) = self.upstreams.first() else {
            return Error::e_explain(HTTPStatus(502), "no upstream");
        };
        let mut peer = HttpPeer::new(upstream, false, String::new());
        peer.options.connection_timeout = Some(Duration::from_secs(3));
        peer.options.read_timeout = Some(Duration::from_secs(30));
        Ok(Box::new(peer))
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        _ctx: &mut (),
    ) -> Result<()> {
        // TODO 8.1: over TLS, tell browsers for a year not to come without it.
        let _ = (session, response);
        // END TODO
        Ok(())
    }
}

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let listen_tls = upstreams::listen("LISTEN_TLS", "127.0.0.1:6443");
    let upstreams = upstreams::from_env();
    let [certificate, key] = ["one.test.pem", "one.test.key"].map(file);
    let tls_port = listen_tls.rsplit(':').next().unwrap_or_default();
    let edge = Edge {
        upstreams,
        tls_port: tls_port.parse().unwrap_or(443),
    };

    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(|error| refuse(&error));
    server.bootstrap();

    let mut proxy = http_proxy_service(&server.configuration, edge);
    proxy.add_tcp(&listen);
    // TODO 8.1: this port is to speak TLS.
    proxy.add_tcp(&listen_tls);
    // END TODO
    server.add_service(proxy);

    println!("Listening on http://{listen} and https://{listen_tls} with {certificate} and {key}.");
    println!("In another terminal, try:");
    println!("  curl -si http://{listen}/");
    println!(
        "  curl -si --cacert {} https://{listen_tls}/",
        file("ca.pem")
    );
    server.run_forever();
}

/// A file in the folder of certificates, which `CERTS` names. That it is there shows at the start.
fn file(name: &str) -> String {
    let folder = PathBuf::from(std::env::var_os("CERTS").unwrap_or_else(|| "certs".into()));
    let path = folder.join(name);
    if let Err(error) = std::fs::File::open(&path) {
        eprintln!(
            "{}: {error}; make it with: cargo run --bin ch08-certificates",
            path.display()
        );
        std::process::exit(2)
    }
    path.display().to_string()
}

fn refuse(error: &Error) -> ! {
    eprintln!("cannot start: {error}");
    std::process::exit(2)
}
