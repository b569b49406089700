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
        let path = upstream_request.uri.path().trim_start_matches(PREFIX);
        let path = path.parse().or_err(InternalError, "not a path")?;
        upstream_request.set_uri(path);
        Ok(())
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
        let location = response.headers.get("location");
        let location = location.and_then(|location| location.to_str().ok());
        if let Some(location) = location.filter(|location| location.starts_with('/')) {
            log::debug!("a redirect of {own:?}");
            let location = header_value(&format!("{PREFIX}{location}"))?;
            response.insert_header("location", location)?;
        }
        Ok(())
        // END TODO
    }
}

// TODO 3.2: what your mapping needs.
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
