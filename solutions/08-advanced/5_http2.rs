//! 8.5 HTTP/2 to clients, with TLS and without, and h2c to an upstream.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use env_logger::Env;
use pingora::{
    Error,
    ErrorType::HTTPStatus,
    Result,
    apps::HttpServerOptions,
    listeners::tls::TlsSettings,
    prelude::HttpPeer,
    proxy::{ProxyHttp, ProxyServiceBuilder, Session},
    server::{Server, configuration::Opt},
};

struct Edge {
    upstreams: Vec<SocketAddr>,
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        let Some(upstream) = self.upstreams.first() else {
            return Error::e_explain(HTTPStatus(502), "there is no upstream");
        };
        let mut peer = HttpPeer::new(upstream, false, String::new());
        peer.options.connection_timeout = Some(Duration::from_secs(3));
        peer.options.read_timeout = Some(Duration::from_secs(30));
        peer.options.write_timeout = Some(Duration::from_secs(30));
        // All requests share this connection: that its other end is gone must not take them half a minute each.
        peer.options.h2_ping_interval = Some(Duration::from_secs(10));
        // TODO 8.5: HTTP/2 to the upstream, with how many requests at a time on a connection?
        // Nothing is negotiated without TLS: with a minimum of 1, Pingora takes HTTP/1.1 (pingora-core,
        // connectors/http/v2.rs, `new_http_session`).
        peer.options.set_http_version(2, 2);
        peer.options.max_h2_streams = 100;
        // END TODO
        Ok(Box::new(peer))
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, _ctx: &mut ()) {
        let version = session.req_header().version;
        let status = session.response_written().map(|it| it.status.as_u16());
        let error = error.map(|it| it.etype().as_str());
        log::info!("version={version:?} status={status:?} error={error:?}");
    }
}

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let listen_tls = upstreams::listen("LISTEN_TLS", "127.0.0.1:6443");
    // TODO 8.5: what do clients get to choose from, on each of the two ports?
    let mut tls = tls_settings();
    tls.enable_h2();
    let mut options = HttpServerOptions::default();
    options.h2c = true;
    // END TODO
    let edge = Edge {
        upstreams: upstreams::from_env(),
    };

    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(|error| {
        eprintln!("cannot start: {error}");
        std::process::exit(2)
    });
    server.bootstrap();
    let mut proxy = ProxyServiceBuilder::new(&server.configuration, edge)
        .server_options(options)
        .build();
    proxy.add_tcp(&listen);
    proxy.add_tls_with_settings(&listen_tls, None, tls);
    server.add_service(proxy);

    println!("Listening on http://{listen} and https://{listen_tls}. In another terminal, try:");
    println!("  curl -s --http2-prior-knowledge http://{listen}/");
    println!("  curl -s --http2 --cacert certs/ca.pem https://{listen_tls}/");
    server.run_forever();
}

/// The certificate of one.test, and its key.
fn tls_settings() -> TlsSettings {
    let folder = std::env::var("CERTS").unwrap_or_else(|_| "certs".to_owned());
    let [certificate, key] = ["pem", "key"].map(|kind| format!("{folder}/one.test.{kind}"));
    for file in [&certificate, &key] {
        if let Err(error) = std::fs::metadata(file) {
            eprintln!("{file}: {error}; make it with: cargo run --bin ch08-certificates");
            std::process::exit(2)
        }
    }
    let settings = TlsSettings::intermediate("", "").and_then(|mut settings| {
        settings.set_certificate_chain_file(&certificate)?;
        settings.set_private_key_file(&key)?;
        Ok(settings)
    });
    settings.unwrap_or_else(|error| {
        eprintln!("{certificate} or {key}: {error}");
        std::process::exit(2)
    })
}
