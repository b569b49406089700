//! 3.7 Compression: with the coding that the client likes best, where it is worth it, and never twice.

use std::any::Any;
use std::net::SocketAddr;

use async_trait::async_trait;
use bytes::Bytes;
use env_logger::Env;
use http::HeaderMap;
use pingora::{
    Error,
    ErrorType::HTTPStatus,
    Result,
    http::ResponseHeader,
    modules::http::{
        HttpModule, HttpModuleBuilder, HttpModules, Module,
        compression::{ResponseCompression, ResponseCompressionBuilder},
    },
    prelude::HttpPeer,
    proxy::{ProxyHttp, Session, http_proxy_service},
    server::{Server, configuration::Opt},
};

/// Of 1 to 9 for gzip, and to 11 for brotli. Above, much time goes into few bytes.
const LEVEL: u32 = 5;

struct Edge {
    upstreams: Vec<SocketAddr>,
}

#[async_trait]
impl ProxyHttp for Edge {
    /// The coding for the answer: `br`, `gzip` or `identity`.
    type CTX = &'static str;

    fn new_ctx(&self) -> &'static str {
        "identity"
    }

    fn init_downstream_modules(&self, modules: &mut HttpModules) {
        // Whoever overrides this has to add the module that Pingora has by default.
        modules.add_module(ResponseCompressionBuilder::enable(0));
        modules.add_module(Box::new(FinishBrotli(false)));
    }

    async fn early_request_filter(
        &self,
        session: &mut Session,
        coding: &mut &'static str,
    ) -> Result<()> {
        *coding = choose(&Accepts::of(&session.req_header().headers));
        // The module runs after this phase, takes the first coding that it knows, whatever its weight, and does not
        // know `*` (pingora-core, protocols/http/compression, `parse_accept_encoding`): so it is given one to take.
        // The upstream gets the same: if it compresses, then in the way that this client likes.
        session
            .req_header_mut()
            .insert_header("accept-encoding", *coding)?;
        set_level(session, LEVEL);
        Ok(())
    }

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        _coding: &mut &'static str,
    ) -> Result<Box<HttpPeer>> {
        let address = self
            .upstreams
            .first()
            .ok_or_else(|| Error::new(HTTPStatus(503)))?;
        Ok(Box::new(HttpPeer::new(*address, false, String::new())))
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        coding: &mut &'static str,
    ) -> Result<()> {
        if response.status.is_informational() {
            return Ok(());
        }
        if !worth_it(response) {
            // The module looks at the header after this phase.
            set_level(session, 0);
        } else if *coding != "identity" {
            // TODO 3.7: the module takes care of Content-Length, ETag, Accept-Ranges and Vary. What else is no longer true?
            for gone in ["content-md5", "digest", "content-digest", "repr-digest"] {
                response.remove_header(gone);
            }
            // END TODO
            let module = session.downstream_modules_ctx.get_mut::<FinishBrotli>();
            if let Some(finish) = module {
                finish.0 = *coding == "br";
            }
        }
        without_a_body(session, response, coding)
    }
}

/// The coding for this client: of those that it takes the one with the greatest weight, and brotli before gzip.
fn choose(accepts: &Accepts) -> &'static str {
    // TODO 3.7: choose by weight (RFC 9110, section 12.5.3). 0 means never.
    // Who says nothing of identity takes it, but would not have listed the others without liking them better.
    let identity = accepts.weight("identity").unwrap_or(0);
    let (brotli, gzip) = (accepts.weight("br"), accepts.weight("gzip"));
    let (brotli, gzip) = (brotli.unwrap_or(0), gzip.unwrap_or(0));
    if brotli > 0 && brotli >= gzip && brotli >= identity {
        "br"
    } else if gzip > 0 && gzip >= identity {
        "gzip"
    } else {
        "identity"
    }
    // END TODO
}

/// Whether this answer becomes smaller by it, and may be changed.
fn worth_it(response: &ResponseHeader) -> bool {
    let header = |name| response.headers.get(name)?.to_str().ok();
    let content_type = header("content-type").unwrap_or_default();
    // TODO 3.7: and only if it is whole, long enough, may be changed, is text, and does not trickle.
    // Below, the coding's own frame eats what it saves.
    const MIN_LENGTH: u64 = 256;
    // The module flushes nothing before the end. What has no length may come drop by drop, for hours.
    let length = header("content-length").and_then(|length| length.parse::<u64>().ok());
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let compressible = essence.starts_with("text/")
        || essence.ends_with("+json")
        || essence.ends_with("+xml")
        || ["json", "javascript", "xml", "wasm"]
            .iter()
            .any(|kind| essence.strip_prefix("application/") == Some(*kind));
    // A range of the body is no range of the compressed one. RFC 9110, section 7.7, forbids the other.
    let whole = response.status != 206;
    let forbidden = items(&response.headers, "cache-control")
        .any(|item| item.eq_ignore_ascii_case("no-transform"));
    whole
        && !forbidden
        && compressible
        && essence != "text/event-stream"
        && length.is_some_and(|length| length >= MIN_LENGTH)
        && !response.headers.contains_key("content-encoding")
    // END TODO
}

/// What Accept-Encoding says: codings in lower case, `*` among them, and their weights in thousandths.
struct Accepts(Vec<(String, u16)>);

impl Accepts {
    fn of(request: &HeaderMap) -> Self {
        let entries = items(request, "accept-encoding").map(|item| {
            let mut parts = item.split(';').map(str::trim);
            let coding = parts.next().unwrap_or_default().to_ascii_lowercase();
            let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
            // A weight that is none is as good as a refusal: identity is always right.
            let weight = weight.map_or(Some(1.0), |weight| weight.parse::<f32>().ok());
            let weight = weight.filter(|weight| (0.0..=1.0).contains(weight));
            // RFC 9110, section 8.4.1.3: an old name of the same coding.
            let coding = if coding == "x-gzip" {
                "gzip".to_owned()
            } else {
                coding
            };
            (coding, (weight.unwrap_or(0.0) * 1000.0) as u16)
        });
        Self(entries.collect())
    }

    /// The weight of a coding: its own, or that of `*` for all which are not named. `None` if nothing is said of it.
    fn weight(&self, coding: &str) -> Option<u16> {
        let of = |name: &str| self.0.iter().find(|(listed, _)| listed == name);
        of(coding).or(of("*")).map(|(_, weight)| *weight)
    }
}

/// The items of a list header, on one line or on several.
fn items<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(',').map(str::trim))
}

/// Sets how much the module compresses; 0 is not at all.
fn set_level(session: &mut Session, level: u32) {
    let module = session
        .downstream_modules_ctx
        .get_mut::<ResponseCompression>();
    // It panics when it is told after it has begun.
    if let Some(module) = module.filter(|module| module.is_header_phase()) {
        module.adjust_level(level);
    }
}

/// The module looks at answers with a body only. HEAD should have the header of GET (RFC 9110, section 9.3.2), and a
/// 304 the tag that the client asked with (RFC 9111, section 4.3.4).
fn without_a_body(session: &Session, response: &mut ResponseHeader, coding: &str) -> Result<()> {
    let head = session.req_header().method == "HEAD" && worth_it(response);
    let mut tags = items(&session.req_header().headers, "if-none-match");
    let unchanged = response.status == 304 && tags.any(|tag| tag.starts_with("W/"));
    if !head && !unchanged {
        return Ok(());
    }
    let varies = |item: &str| item == "*" || item.eq_ignore_ascii_case("accept-encoding");
    if !items(&response.headers, "vary").any(varies) {
        response.append_header("vary", "accept-encoding")?;
    }
    if head && coding == "identity" {
        return Ok(());
    }
    let tag = response
        .headers
        .get("etag")
        .and_then(|tag| tag.to_str().ok());
    if let Some(tag) = tag.filter(|tag| tag.starts_with('"')) {
        response.insert_header("etag", format!("W/{tag}"))?;
    }
    if head {
        response.remove_header("content-length");
        response.remove_header("accept-ranges");
        response.insert_header("content-encoding", coding)?;
    }
    Ok(())
}

/// Pingora's module flushes brotli at the end, but does not finish it, and strict decoders take the body for one that
/// was cut (<https://github.com/cloudflare/pingora/issues/1013>). This one adds the end: a last block, which is empty.
struct FinishBrotli(bool);

impl HttpModuleBuilder for FinishBrotli {
    fn order(&self) -> i16 {
        // Lower is later; the other one has this number.
        i16::MIN / 2 - 1
    }

    fn init(&self) -> Module {
        Box::new(FinishBrotli(false))
    }
}

#[async_trait]
impl HttpModule for FinishBrotli {
    fn response_body_filter(&mut self, body: &mut Option<Bytes>, end: bool) -> Result<()> {
        if self.0 && end {
            // RFC 7932, section 9.2: ISLAST and ISLASTEMPTY, at the border of bytes where a flush ends.
            *body = Some(
                [&body.take().unwrap_or_default()[..], &[0b11]]
                    .concat()
                    .into(),
            );
        }
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
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
    println!("  curl -s -D - -o /dev/null -H 'Accept-Encoding: br, gzip' http://{listen}/text");
    server.run_forever();
}
