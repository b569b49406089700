//! Chapter 03: the front half of an API gateway.
//!
//! A table says where a request goes, rules say which headers go with it, prefixes are taken off and put back, and
//! answers are compressed for those who like it.

mod access_log;
mod encoding;
mod errors;
mod peer;
mod rewrite;
mod routes;
mod rules;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use env_logger::Env;
use log::info;
use pingora::{
    Error,
    ErrorType::HTTPStatus,
    OkOrErr, Result,
    http::{RequestHeader, ResponseHeader},
    prelude::HttpPeer,
    proxy::{FailToProxy, ProxyHttp, Session, http_proxy_service},
    server::{Server, configuration::Opt},
};

use routes::Route;

/// The proxy: one for all requests.
struct Gateway {
    upstreams: Vec<SocketAddr>,
}

/// What is known of one request.
struct Ctx {
    started: Instant,
    /// Where it goes, once that is decided.
    route: Option<(&'static Route, SocketAddr)>,
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = Ctx;

    fn new_ctx(&self) -> Ctx {
        Ctx {
            started: Instant::now(),
            route: None,
        }
    }

    /// Before the modules: this is the place to tell them what to do.
    async fn early_request_filter(&self, session: &mut Session, _ctx: &mut Ctx) -> Result<()> {
        // The client's side has no limits by default; chapter 02 says what they are for.
        session.set_write_timeout(Some(Duration::from_secs(10)));
        // A client of HTTP/1.0 that did not ask for more waits for the end of the connection.
        if session.get_keepalive().is_some() {
            session.set_keepalive(Some(60));
        }
        encoding::offer_gzip(session)
    }

    /// `Ok(true)` says that the request is answered: no upstream is asked.
    async fn request_filter(&self, session: &mut Session, ctx: &mut Ctx) -> Result<bool> {
        match routes::find(session.req_header()) {
            Ok(route) => {
                let upstream = self.upstreams.get(route.upstream);
                let upstream = upstream.or_err(HTTPStatus(503), "no such upstream")?;
                ctx.route = Some((route, *upstream));
                Ok(false)
            }
            Err(status) => {
                errors::refuse(session, status).await?;
                Ok(true)
            }
        }
    }

    async fn upstream_peer(&self, _session: &mut Session, ctx: &mut Ctx) -> Result<Box<HttpPeer>> {
        let (_, upstream) = ctx.route.or_err(HTTPStatus(404), "no route")?;
        Ok(Box::new(peer::at(upstream)))
    }

    /// The request as the upstream will see it. The client's own stays as it was, in `session`.
    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        upstream_request: &mut RequestHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        let (route, _) = ctx.route.or_err(HTTPStatus(404), "no route")?;
        rules::to_upstream(session, route, upstream_request)?;
        if route.strips {
            rewrite::take_off(route.prefix, upstream_request)?;
        }
        Ok(())
    }

    /// The answer as the upstream gave it, before anything else has touched it.
    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        _ctx: &mut Ctx,
    ) -> Result<()> {
        encoding::leave_alone(session, response);
        Ok(())
    }

    /// The answer as the client will see it, apart from what the modules do to it afterwards.
    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        if let Some((route, upstream)) = ctx.route.filter(|(route, _)| route.strips) {
            // The upstream knows itself by the Host that it was asked for, or by its address.
            let host = session.req_header().headers.get("host");
            let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
            rewrite::put_back(route.prefix, &[host, &upstream.to_string()], response)?;
        }
        rules::to_client(response)
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        _ctx: &mut Ctx,
    ) -> FailToProxy {
        let status = errors::status(error);
        if let Err(error) = errors::answer(session, status).await {
            info!("the client did not take the answer: {error}");
        }
        FailToProxy {
            error_code: status,
            can_reuse_downstream: false,
        }
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Ctx) {
        access_log::write(session, error, ctx);
    }

    /// Pingora would write a line of its own for an error; `logging` has it.
    fn suppress_error_log(&self, _session: &Session, _ctx: &Ctx, _error: &Error) -> bool {
        true
    }

    fn request_summary(&self, session: &Session, _ctx: &Ctx) -> String {
        access_log::request(session)
    }
}

fn main() {
    // env_logger shows errors only unless told otherwise; Pingora itself is chatty at `info`.
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let options = Opt::parse_args();
    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let upstreams = upstreams::from_env();
    if upstreams.len() < routes::upstreams() {
        eprintln!(
            "UPSTREAMS: the routes need {}, not {}",
            routes::upstreams(),
            upstreams.len()
        );
        std::process::exit(2)
    }

    let mut server = Server::new(options).unwrap_or_else(|error| {
        eprintln!("cannot start: {error}");
        std::process::exit(2)
    });
    // After SIGTERM Pingora sleeps its whole grace period, by default 300 s: longer than Docker waits before it kills.
    if let Some(conf) = Arc::get_mut(&mut server.configuration) {
        conf.grace_period_seconds.get_or_insert(1);
    }
    server.bootstrap();

    let mut proxy = http_proxy_service(&server.configuration, Gateway { upstreams });
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    println!("Listening on http://{listen}. In another terminal, try:");
    println!("  curl -i 'http://{listen}/api/hello?name=world'");
    println!("  curl -i --path-as-is http://{listen}/api/../admin");
    println!("  curl -i --compressed http://{listen}/text");
    server.run_forever();
}
