//! 2.4 Request ids: one name for one request, from end to end.

use std::net::SocketAddr;

use async_trait::async_trait;
use env_logger::Env;
use pingora::{
    Error,
    ErrorType::HTTPStatus,
    Result,
    http::RequestHeader,
    prelude::HttpPeer,
    protocols::http::ServerSession,
    proxy::{FailToProxy, ProxyHttp, Session, http_proxy_service},
    server::{Server, configuration::Opt},
};
use uuid::Uuid;

const REQUEST_ID: &str = "x-request-id";

struct Edge {
    upstreams: Vec<SocketAddr>,
}

#[async_trait]
impl ProxyHttp for Edge {
    /// The request's id.
    type CTX = String;

    fn new_ctx(&self) -> String {
        String::new()
    }

    async fn early_request_filter(&self, session: &mut Session, id: &mut String) -> Result<()> {
        *id = request_id(session.req_header());
        Ok(())
    }

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        _id: &mut String,
    ) -> Result<Box<HttpPeer>> {
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
        id: &mut String,
    ) -> Result<()> {
        upstream_request.insert_header(REQUEST_ID, id.as_str())
    }

    // TODO 2.4: tell the client, also when nothing came from an upstream, and the log.
    async fn response_filter(
        &self,
        _session: &mut Session,
        response: &mut pingora::http::ResponseHeader,
        id: &mut String,
    ) -> Result<()> {
        response.insert_header(REQUEST_ID, id.as_str())
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        _error: &Error,
        id: &mut String,
    ) -> FailToProxy {
        if let Err(error) = bad_gateway(session, Some(id)).await {
            log::info!("the client did not take the answer: {error}");
        }
        FailToProxy {
            error_code: 502,
            can_reuse_downstream: false,
        }
    }

    async fn logging(&self, session: &mut Session, _error: Option<&Error>, id: &mut String) {
        let status = session
            .response_written()
            .map_or(0, |response| response.status.as_u16());
        log::info!("{} {status} id={id}", session.request_summary());
    }
    // END TODO
}

/// Answers 502, with the request's id where it is known. Does nothing when an answer has begun already.
async fn bad_gateway(session: &mut Session, id: Option<&str>) -> Result<()> {
    let mut header = ServerSession::generate_error(502);
    if let Some(id) = id {
        header.insert_header(REQUEST_ID, id)?;
    }
    session
        .write_error_response(header, Default::default())
        .await
}

/// The id that the client sent, if it can be trusted to be one, or a new one.
fn request_id(request: &RequestHeader) -> String {
    // TODO 2.4: keep only what is well formed: 1 to 64 letters, digits, '-', '_' or '.', in one header line.
    let mut ids = request.headers.get_all(REQUEST_ID).iter();
    if let (Some(id), None) = (ids.next(), ids.next())
        && let Ok(id) = id.to_str()
        && (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    {
        return id.to_owned();
    }
    Uuid::new_v4().to_string()
    // END TODO
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
    println!("  curl -i http://{listen}/");
    println!("  curl -i -H 'X-Request-Id: order-42' http://{listen}/");
    server.run_forever();
}
