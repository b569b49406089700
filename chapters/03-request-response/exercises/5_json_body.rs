//! 3.5 Rewrite a JSON body: one member is taken out of it, in however many pieces it comes.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use env_logger::Env;
use pingora::{
    Error,
    ErrorType::HTTPStatus,
    Result,
    http::{RequestHeader, ResponseHeader},
    prelude::HttpPeer,
    proxy::{ProxyHttp, Session, http_proxy_service},
    server::{Server, configuration::Opt},
};
use serde_json::Value;

/// The member that no client needs to see: which upstream it was.
const INTERNAL: &str = "upstream";

struct Edge {
    upstreams: Vec<SocketAddr>,
    /// The longest body that is rewritten, in bytes.
    limit: usize,
}

/// What is known of one answer.
#[derive(Default)]
struct Ctx {
    /// Whether its body is to be rewritten.
    rewrite: bool,
    // TODO 3.5: what must be remembered from one piece of the body to the next.
    // END TODO
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = Ctx;

    fn new_ctx(&self) -> Ctx {
        Ctx::default()
    }

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut Ctx) -> Result<Box<HttpPeer>> {
        let address = self
            .upstreams
            .first()
            .ok_or_else(|| Error::new(HTTPStatus(503)))?;
        Ok(Box::new(HttpPeer::new(*address, false, String::new())))
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        upstream_request: &mut RequestHeader,
        _ctx: &mut Ctx,
    ) -> Result<()> {
        // TODO 3.5: ask for a body that can be read.
        upstream_request.remove_header("accept-encoding");
        // END TODO
        // If-None-Match stays as it came: weak comparison finds the upstream's tag in the weak one that we made of it.
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        ctx.rewrite = can_be_rewritten(response, self.limit);
        if ctx.rewrite {
            // TODO 3.5: the header is sent before the body is known. What in it is no longer true?
            // END TODO
        } else if response.status == 304 && asks_with_a_weak_tag(session) {
            // The copy that the client has is known to it by the weak tag (RFC 9111, section 4.3.4).
            weaken_etag(response)?;
        }
        Ok(())
    }

    fn upstream_response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        ctx: &mut Ctx,
    ) -> Result<Option<Duration>> {
        if !ctx.rewrite {
            return Ok(None);
        }
        // TODO 3.5: a piece is not a document.
        if end_of_stream
            && let Some(piece) = body
            && let Some(new) = rewritten(piece)
        {
            *body = Some(new.into());
        }
        // END TODO
        Ok(None)
    }
}

/// Whether an answer has a whole body in JSON that this proxy may change and can read.
///
/// An answer to HEAD has none, but the header that GET would have (RFC 9110, section 9.3.2): it is treated alike.
fn can_be_rewritten(response: &ResponseHeader, limit: usize) -> bool {
    // 204 and 304 have no body. A 206 is a part of one, and parts of two versions must not meet.
    let whole = response.status.is_success() && ![204, 206].contains(&response.status.as_u16());
    let length = header(response, "content-length").and_then(|length| length.parse().ok());
    // RFC 9110, section 7.7.
    let forbidden =
        list(response, "cache-control").any(|item| item.eq_ignore_ascii_case("no-transform"));
    whole
        && is_json(header(response, "content-type").unwrap_or_default())
        && !response.headers.contains_key("content-encoding")
        && length.is_none_or(|length: usize| length <= limit)
        && !forbidden
}

/// `application/json`, or what is built on it, such as `application/problem+json` (RFC 6839).
fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    essence == "application/json" || essence.ends_with("+json")
}

/// The document without the internal member; `None` if it is not JSON.
fn rewritten(body: &[u8]) -> Option<Vec<u8>> {
    let mut document = serde_json::from_slice(body).ok()?;
    without_internal(&mut document);
    serde_json::to_vec(&document).ok()
}

/// It calls itself no deeper than the parser, which stops at 128 levels.
fn without_internal(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.remove(INTERNAL);
            members.values_mut().for_each(without_internal);
        }
        Value::Array(items) => items.iter_mut().for_each(without_internal),
        _ => {}
    }
}

/// A strong ETag promises the same bytes each time, and these are others (RFC 9110, section 8.8.1).
fn weaken_etag(response: &mut ResponseHeader) -> Result<()> {
    match header(response, "etag").map(str::to_owned) {
        Some(tag) if tag.starts_with('"') => response.insert_header("etag", format!("W/{tag}")),
        _ => Ok(()),
    }
}

fn asks_with_a_weak_tag(session: &Session) -> bool {
    let tags = session.req_header().headers.get_all("if-none-match").iter();
    tags.filter_map(|tags| tags.to_str().ok())
        .any(|tags| tags.contains("W/\""))
}

fn header<'a>(response: &'a ResponseHeader, name: &str) -> Option<&'a str> {
    response.headers.get(name)?.to_str().ok()
}

/// The items of a list header, on one line or on several.
fn list<'a>(response: &'a ResponseHeader, name: &str) -> impl Iterator<Item = &'a str> {
    let lines = response.headers.get_all(name).iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(',').map(str::trim))
}

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let upstreams = upstreams::from_env();
    let limit = bytes("MAX_JSON_BYTES", 1 << 20);

    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(|error| {
        eprintln!("cannot start: {error}");
        std::process::exit(2)
    });
    server.bootstrap();

    let mut proxy = http_proxy_service(&server.configuration, Edge { upstreams, limit });
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -i http://{listen}/");
    println!("  curl -i -d 'a longer body: ...' http://{listen}/");
    server.run_forever();
}

/// A number of bytes from the environment.
fn bytes(variable: &str, default: usize) -> usize {
    let Ok(text) = std::env::var(variable) else {
        return default;
    };
    text.parse().unwrap_or_else(|_| {
        eprintln!("{variable}: {text:?} is not a number of bytes, as in {variable}={default}");
        std::process::exit(2)
    })
}
