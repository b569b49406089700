//! 3.2 Rewrite: a prefix that the upstream knows nothing of, taken away on the way in and put back on the way out.

use std::net::SocketAddr;

use async_trait::async_trait;
use env_logger::Env;
use http::HeaderValue;
use pingora::{
    Error,
    ErrorType::{HTTPStatus, InternalError},
    OrErr, Result,
    http::{RequestHeader, ResponseHeader},
    prelude::HttpPeer,
    proxy::{ProxyHttp, Session, http_proxy_service},
    server::{Server, configuration::Opt},
};

/// What clients put before the paths of the upstream.
const PREFIX: &str = "/api";

struct Edge {
    upstreams: Vec<SocketAddr>,
}

impl Edge {
    fn upstream(&self) -> Result<SocketAddr> {
        let first = self.upstreams.first().copied();
        first.ok_or_else(|| Error::new(HTTPStatus(503)))
    }
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn request_filter(&self, session: &mut Session, _ctx: &mut ()) -> Result<bool> {
        let rest = session.req_header().uri.path().strip_prefix(PREFIX);
        match rest {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => Ok(false),
            _ => {
                session.respond_error(404).await?;
                Ok(true)
            }
        }
    }

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(
            self.upstream()?,
            false,
            String::new(),
        )))
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        upstream_request: &mut RequestHeader,
        _ctx: &mut (),
    ) -> Result<()> {
        // TODO 3.2: take the prefix off the path, and change nothing else of the target.
        // Path and query, in UTF-8: other bytes Pingora refuses before any phase (httparse, lib.rs, parse_uri).
        let target = upstream_request.uri.path_and_query();
        let target = target.map_or("/", |target| target.as_str());
        let rest = target.strip_prefix(PREFIX).unwrap_or(target);
        // Nothing may be left, or only the query, and a path is never empty (RFC 9112, section 3.2.1).
        let slash = if rest.starts_with('/') { "" } else { "/" };
        let target = format!("{slash}{rest}");
        upstream_request.set_raw_path(target.as_bytes())
        // END TODO
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        _ctx: &mut (),
    ) -> Result<()> {
        // The names by which the upstream may call itself: what it was asked for, and where it is.
        let host = session.req_header().headers.get("host");
        let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
        let own = [host, &self.upstream()?.to_string()];
        // TODO 3.2: put the prefix back into Location and Content-Location, where they lead to this upstream.
        for name in ["location", "content-location"] {
            let Some(value) = response.headers.get(name) else {
                continue;
            };
            // to_str would refuse what is not ASCII.
            let Ok(reference) = std::str::from_utf8(value.as_bytes()) else {
                continue;
            };
            if let Some(public) = public(reference, &own) {
                response.insert_header(name, header_value(&public)?)?;
            }
        }
        Ok(())
        // END TODO
    }
}

// TODO 3.2: what your mapping needs.
/// What a client must ask for, if the reference leads to the upstream. None if it leads elsewhere, or is relative to
/// the path, which is right as it stands.
fn public(reference: &str, own: &[&str]) -> Option<String> {
    let path = match after_scheme(reference) {
        Some(rest) => {
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let (authority, path) = rest.split_at_checked(end)?;
            own.iter().find(|own| own.eq_ignore_ascii_case(authority))?;
            path
        }
        None if reference.starts_with('/') => reference,
        None => return None,
    };
    // Without scheme and authority: the client keeps those by which it came (RFC 9110, section 10.2.2).
    Some(format!("{PREFIX}{path}"))
}

/// What follows the `//` of an absolute reference by http, or of one that leaves the scheme out.
fn after_scheme(reference: &str) -> Option<&str> {
    let scheme = reference.get(..5);
    if scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("http:")) {
        return reference.get(5..)?.strip_prefix("//");
    }
    reference.strip_prefix("//")
}
// END TODO

fn header_value(text: &str) -> Result<HeaderValue> {
    HeaderValue::from_bytes(text.as_bytes()).or_err(InternalError, "not a header's value")
}

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let upstreams = upstreams::from_env();

    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(|error| {
        eprintln!("cannot start: {error}");
        std::process::exit(2)
    });
    server.bootstrap();

    let mut proxy = http_proxy_service(&server.configuration, Edge { upstreams });
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -i 'http://{listen}/api/hello?name=world'");
    server.run_forever();
}
