//! 8.1 HTTPS: the plain port sends every client to the TLS port, and over TLS browsers learn not to ask there again.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use env_logger::Env;
// TODO 8.1: what you need.
use http::{HeaderValue, header::STRICT_TRANSPORT_SECURITY, uri::Authority};
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
/// `None` where the request names no host.
fn location(request: &RequestHeader, tls_port: u16) -> Option<HeaderValue> {
    let authority = request.headers.get("host")?.to_str().ok()?;
    let authority: Authority = authority.parse().ok()?;
    let host = authority.host();
    // `one.test@two.test` would lead to two.test.
    if host.is_empty() || authority.as_str().contains('@') {
        return None;
    }
    let port = match tls_port {
        443 => String::new(),
        port => format!(":{port}"),
    };
    let target = match request.raw_path() {
        // Byte for byte: a path that is decoded and encoded again may be another one.
        target if target.starts_with(b"/") => target,
        // The absolute form, which a server has to understand (RFC 9112, section 3.2.2).
        _ => request.uri.path_and_query()?.as_str().as_bytes(),
    };
    // `OPTIONS *` is about the server, and has no place.
    if !target.starts_with(b"/") {
        return None;
    }
    let location = [b"https://", host.as_bytes(), port.as_bytes(), target].concat();
    HeaderValue::from_bytes(&location).ok()
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
        // RFC 9110, section 15.4.9: unlike 301 and 302, it lets no client change the method.
        let mut header = ResponseHeader::build(308, Some(2))?;
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
        // On a plain connection anybody on the way could say it (RFC 6797, section 7.2). Of two a browser reads the
        // first one, so the upstream's own goes (section 8.1).
        if is_tls(session) {
            response.insert_header(STRICT_TRANSPORT_SECURITY, "max-age=31536000")?;
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
    proxy
        .add_tls(&listen_tls, &certificate, &key)
        .unwrap_or_else(|error| refuse(&error));
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
