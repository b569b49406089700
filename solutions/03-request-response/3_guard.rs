//! 3.3 Guard: a bearer token opens the door, and nobody but the proxy sees it.

use std::net::SocketAddr;

use async_trait::async_trait;
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
use serde_json::json;

struct Edge {
    upstreams: Vec<SocketAddr>,
    tokens: Vec<String>,
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn request_filter(&self, session: &mut Session, _ctx: &mut ()) -> Result<bool> {
        // TODO 3.3: let pass who shows one of the tokens, and tell everybody else what is missing.
        let (status, challenge) = match bearer(session.req_header()) {
            Ok(token) if self.knows(token) => return Ok(false),
            Ok(_) => INVALID,
            Err(refusal) => refusal,
        };
        refuse(session, status, challenge).await?;
        Ok(true)
        // END TODO
    }

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
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
        _ctx: &mut (),
    ) -> Result<()> {
        // TODO 3.3: the token is for the proxy alone.
        upstream_request.remove_header("authorization");
        // END TODO
        // What the upstream may know. Inserted, so nobody can claim it.
        upstream_request.insert_header("x-authenticated", "bearer")
    }

    async fn logging(&self, session: &mut Session, _error: Option<&Error>, _ctx: &mut ()) {
        let status = session
            .response_written()
            .map_or(0, |response| response.status.as_u16());
        log::info!("{} {status}", session.request_summary());
    }
}

// TODO 3.3: what your decision needs.
use subtle::{Choice, ConstantTimeEq};

/// Status and challenge. A code stands only where a token was shown (RFC 6750, sections 3 and 3.1).
type Refusal = (u16, &'static str);
const MISSING: Refusal = (401, r#"Bearer realm="shop""#);
const INVALID: Refusal = (401, r#"Bearer realm="shop", error="invalid_token""#);
const MALFORMED: Refusal = (400, r#"Bearer realm="shop", error="invalid_request""#);

/// The token that a request shows.
fn bearer(request: &RequestHeader) -> Result<&str, Refusal> {
    let mut lines = request.headers.get_all("authorization").iter();
    let line = match (lines.next(), lines.next()) {
        (Some(line), None) => line.to_str().map_err(|_| MALFORMED)?,
        (None, _) => return Err(MISSING),
        // Two are a riddle: whoever reads the other one decides on another client.
        (Some(_), Some(_)) => return Err(MALFORMED),
    };
    // The scheme has no case, and any number of spaces follows it (RFC 9110, sections 11.1 and 11.4).
    let (scheme, token) = line.split_once(' ').unwrap_or((line, ""));
    let token = token.trim_start_matches(' ');
    match scheme.eq_ignore_ascii_case("bearer") {
        false => Err(MISSING),
        true if is_token(token) => Ok(token),
        true => Err(MALFORMED),
    }
}

impl Edge {
    /// Compares every token, and each to its end: how long it takes tells nothing of how near a guess was.
    fn knows(&self, shown: &str) -> bool {
        let same = |token: &String| token.as_bytes().ct_eq(shown.as_bytes());
        let nobody = Choice::from(0);
        let found = self.tokens.iter().map(same).fold(nobody, |a, b| a | b);
        found.into()
    }
}
// END TODO

/// Refuses in JSON, with a challenge (RFC 9110, section 11.6.1). The connection can be used again.
async fn refuse(session: &mut Session, status: u16, challenge: &str) -> Result<()> {
    let error = match status {
        400 => "bad request",
        _ => "unauthorized",
    };
    let body = json!({ "error": error, "status": status }).to_string() + "\n";
    let mut header = ResponseHeader::build(status, Some(3))?;
    header.insert_header("www-authenticate", challenge)?;
    header.insert_header("content-type", "application/json")?;
    header.insert_header("content-length", body.len())?;
    let head = session.req_header().method == "HEAD";
    session
        .write_response_header(Box::new(header), head)
        .await?;
    if !head {
        session.write_response_body(Some(body.into()), true).await?;
    }
    Ok(())
}

/// The form of a token: `b64token` in RFC 6750, section 2.1.
fn is_token(text: &str) -> bool {
    let letters = text.trim_end_matches('=');
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !letters.is_empty() && letters.bytes().all(allowed)
}

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let tokens = tokens();
    let upstreams = upstreams::from_env();

    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(|error| {
        eprintln!("cannot start: {error}");
        std::process::exit(2)
    });
    server.bootstrap();

    let mut proxy = http_proxy_service(&server.configuration, Edge { upstreams, tokens });
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -i http://{listen}/");
    println!("  curl -i -H 'Authorization: Bearer ...' http://{listen}/");
    server.run_forever();
}

/// `TOKENS`, a list such as `tiger,lion`. There is no default: a door that opens for everybody is no door.
fn tokens() -> Vec<String> {
    let text = std::env::var("TOKENS").unwrap_or_default();
    let tokens: Vec<String> = text.split(',').map(str::trim).map(str::to_owned).collect();
    if !tokens.iter().all(|token| is_token(token)) {
        // Not quoted: what is wrong may be a secret all the same.
        eprintln!("TOKENS: name the tokens that open the door, as in TOKENS=tiger,lion");
        std::process::exit(2)
    }
    tokens
}
