//! 2.6 Names: an upstream that is found by DNS.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use env_logger::Env;
use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig},
    net::{NetError, runtime::TokioRuntimeProvider},
};
use pingora::{
    Result,
    http::ResponseHeader,
    prelude::HttpPeer,
    proxy::{ProxyHttp, Session, http_proxy_service},
    server::{Server, configuration::Opt},
};

struct Edge {
    name: String,
    port: u16,
    resolver: TokioResolver,
}

impl Edge {
    // TODO 2.6: find the address again for each request, and make a failure a 502.
    /// The address of the upstream, now: the resolver remembers an answer for as long as its TTL says.
    async fn address(&self) -> Result<SocketAddr> {
        use pingora::{ErrorType::HTTPStatus, OkOrErr, OrErr};
        let context = || format!("no address for {}", self.name);
        let found = self.resolver.lookup_ip(self.name.as_str()).await;
        let found = found.or_err_with(HTTPStatus(502), context)?;
        // A name may have several addresses; chapter 04 spreads requests over them.
        let ip = found.iter().next().or_err_with(HTTPStatus(502), context)?;
        Ok(SocketAddr::new(ip, self.port))
    }
    // END TODO
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn request_filter(&self, session: &mut Session, _ctx: &mut ()) -> Result<bool> {
        if session.req_header().uri.path() != "/healthz" {
            return Ok(false);
        }
        let mut header = ResponseHeader::build(200, Some(1))?;
        header.insert_header("content-length", 2)?;
        session
            .write_response_header(Box::new(header), false)
            .await?;
        session
            .write_response_body(Some(Bytes::from_static(b"ok")), true)
            .await?;
        Ok(true)
    }

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        // HttpPeer::new takes a name too, but resolves it by blocking this thread, and panics where that fails.
        let address = self.address().await?;
        let mut peer = HttpPeer::new(address, false, String::new());
        peer.options.connection_timeout = Some(Duration::from_secs(3));
        Ok(Box::new(peer))
    }
}

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    // Also when a name is given: it may be this machine's.
    let upstreams = upstreams::from_env();
    let (name, port) = upstream_name(&upstreams);
    let resolver = resolver().unwrap_or_else(|error| {
        eprintln!("cannot set up the resolver: {error}");
        std::process::exit(2)
    });
    let edge = Edge {
        name,
        port,
        resolver,
    };

    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(|error| {
        eprintln!("cannot start: {error}");
        std::process::exit(2)
    });
    server.bootstrap();

    let mut proxy = http_proxy_service(&server.configuration, edge);
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -i http://{listen}/");
    server.run_forever();
}

/// `UPSTREAM_NAME`, a name and a port; by default this machine and the first echo server.
fn upstream_name(upstreams: &[SocketAddr]) -> (String, u16) {
    let Ok(text) = std::env::var("UPSTREAM_NAME") else {
        let port = upstreams.first().map_or(8081, SocketAddr::port);
        return ("localhost".to_owned(), port);
    };
    let parts = text
        .rsplit_once(':')
        .and_then(|(name, port)| Some((name, port.parse().ok()?)));
    match parts {
        Some((name, port)) if !name.is_empty() => (name.to_owned(), port),
        _ => {
            eprintln!(
                "UPSTREAM_NAME: {text:?} is not a name and a port, as in UPSTREAM_NAME=localhost:8081"
            );
            std::process::exit(2)
        }
    }
}

/// Asks `DNS_SERVER` (address and port), or else the name servers of this machine.
fn resolver() -> Result<TokioResolver, NetError> {
    let mut builder = match std::env::var("DNS_SERVER") {
        Ok(text) => {
            let server: SocketAddr = text.parse().unwrap_or_else(|_| {
                eprintln!("DNS_SERVER: {text:?} is not an address and a port, as in DNS_SERVER=127.0.0.1:53");
                std::process::exit(2)
            });
            let mut udp = ConnectionConfig::udp();
            udp.port = server.port();
            let server = NameServerConfig::new(server.ip(), true, vec![udp]);
            let config = ResolverConfig::from_name_servers(vec![server]);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
        Err(_) => TokioResolver::builder_tokio()?,
    };
    // Hickory's default, 5 s and three tries, is longer than most clients like to wait.
    builder.options_mut().timeout = dns_timeout();
    builder.options_mut().attempts = 0;
    // IPv4 first: most services listen there, and `localhost` means ::1 too.
    builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4thenIpv6;
    builder.build()
}

/// `DNS_TIMEOUT_MS`, how long one question may take.
fn dns_timeout() -> Duration {
    let text = std::env::var("DNS_TIMEOUT_MS").unwrap_or_else(|_| "1000".to_owned());
    match text.parse() {
        Ok(milliseconds @ 1..) => Duration::from_millis(milliseconds),
        _ => {
            eprintln!(
                "DNS_TIMEOUT_MS: {text:?} is not a number of milliseconds above 0, as in DNS_TIMEOUT_MS=1000"
            );
            std::process::exit(2)
        }
    }
}
