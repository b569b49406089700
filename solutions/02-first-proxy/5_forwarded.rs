//! 2.5 Who is the client? X-Forwarded-For, -Proto and -Host, and whom to trust.

use std::net::IpAddr;
use std::net::SocketAddr;

use async_trait::async_trait;
use env_logger::Env;
use ipnet::IpNet;
use pingora::{
    Error,
    ErrorType::HTTPStatus,
    Result,
    http::RequestHeader,
    prelude::HttpPeer,
    proxy::{ProxyHttp, Session, http_proxy_service},
    server::{Server, configuration::Opt},
};

struct Edge {
    upstreams: Vec<SocketAddr>,
    /// The networks of proxies that may stand before this one.
    trusted: Vec<IpNet>,
}

impl Edge {
    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted
            .iter()
            .any(|network| network.contains(&address))
    }
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        let address = self
            .upstreams
            .first()
            .ok_or_else(|| Error::new(HTTPStatus(503)))?;
        Ok(Box::new(HttpPeer::new(*address, false, String::new())))
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        upstream_request: &mut RequestHeader,
        _ctx: &mut (),
    ) -> Result<()> {
        let peer = address_of(session)?;
        // TODO 2.5: believe what a trusted proxy says of the client, and nobody else.
        if !self.trusts(peer) {
            for name in [
                "x-forwarded-for",
                "x-forwarded-proto",
                "x-forwarded-host",
                "forwarded",
            ] {
                upstream_request.remove_header(name);
            }
        }
        // Appended, not inserted: the proxies before us stay in the list.
        upstream_request.append_header("x-forwarded-for", peer.to_string())?;
        // END TODO
        if !upstream_request.headers.contains_key("x-forwarded-proto") {
            upstream_request.insert_header("x-forwarded-proto", "http")?;
        }
        if !upstream_request.headers.contains_key("x-forwarded-host")
            && let Some(host) = session.req_header().headers.get("host")
        {
            upstream_request.insert_header("x-forwarded-host", host)?;
        }
        Ok(())
    }
}

/// The address of whoever opened this connection: the one thing that a client cannot make up.
fn address_of(session: &Session) -> Result<IpAddr> {
    let address = session.client_addr().and_then(|address| address.as_inet());
    let address = address.ok_or_else(|| Error::new(HTTPStatus(400)))?;
    // On a listener for both families an IPv4 client shows up as ::ffff:192.0.2.1.
    Ok(address.ip().to_canonical())
}

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let upstreams = upstreams::from_env();
    let trusted = trusted_networks();

    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(|error| {
        eprintln!("cannot start: {error}");
        std::process::exit(2)
    });
    server.bootstrap();

    let mut proxy = http_proxy_service(&server.configuration, Edge { upstreams, trusted });
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -s -H 'X-Forwarded-For: 203.0.113.9' http://{listen}/ | grep -i forwarded");
    server.run_forever();
}

/// `TRUSTED_PROXIES`, a list of networks such as `10.0.0.0/8,192.168.1.7/32`. By default nobody is trusted.
fn trusted_networks() -> Vec<IpNet> {
    let text = std::env::var("TRUSTED_PROXIES").unwrap_or_default();
    let parts = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    parts
        .map(|part| {
            part.parse().unwrap_or_else(|_| {
                eprintln!("TRUSTED_PROXIES: {part:?} is not a network, as in TRUSTED_PROXIES=10.0.0.0/8,192.168.1.7/32");
                std::process::exit(2)
            })
        })
        .collect()
}
