//! 1.5 Down a layer: a TCP echo beside the proxy.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use env_logger::Env;
use pingora_core::{
    Error,
    ErrorType::HTTPStatus,
    Result,
    apps::ServerApp,
    protocols::Stream,
    server::{Server, ShutdownWatch, configuration::Opt},
    services::listening::Service,
    upstreams::peer::HttpPeer,
};
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

/// How long a silent connection may stay: each holds a socket and a task.
const IDLE: Duration = Duration::from_secs(60);

struct Echo;

#[async_trait]
impl ServerApp for Echo {
    async fn process_new(
        self: &Arc<Self>,
        mut stream: Stream,
        _shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        if let Err(error) = echo(&mut stream).await {
            log::info!("echo: {error}");
        }
        // None: this connection is over. Some(stream) would hand it to process_new again.
        None
    }
}

/// Sends back what comes, until the client has finished sending.
///
/// # Errors
/// The connection broke, or nothing moved for [`IDLE`].
async fn echo(stream: &mut Stream) -> std::io::Result<()> {
    let mut buffer = [0; 4096];
    // TODO 1.5: send back every byte as it came, until the client has finished sending.
    loop {
        let length = timeout(IDLE, stream.read(&mut buffer)).await??;
        let Some(piece) = buffer.get(..length).filter(|piece| !piece.is_empty()) else {
            // The client will send no more, but may still be reading (half-close): all of it is on its way.
            return Ok(());
        };
        timeout(IDLE, stream.write_all(piece)).await??;
        // Pingora's stream collects what is written; without this the bytes wait here.
        timeout(IDLE, stream.flush()).await??;
    }
    // END TODO
}

struct Edge {
    upstreams: Vec<SocketAddr>,
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
}

fn main() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,pingora=warn")).init();

    let listen = upstreams::listen("LISTEN", "127.0.0.1:6188");
    let listen_tcp = upstreams::listen("LISTEN_TCP", "127.0.0.1:6191");
    let upstreams = upstreams::from_env();

    let mut server = Server::new(Opt::parse_args()).unwrap_or_else(|error| {
        eprintln!("cannot start: {error}");
        std::process::exit(2)
    });
    server.bootstrap();

    let mut proxy = http_proxy_service(&server.configuration, Edge { upstreams });
    proxy.add_tcp(&listen);
    server.add_service(proxy);

    let mut tcp = Service::new("echo".to_owned(), Echo);
    tcp.add_tcp(&listen_tcp);
    server.add_service(tcp);

    println!(
        "Listening on http://{listen} and, for bare TCP, on {listen_tcp}. In another terminal, try:"
    );
    println!("  curl -i http://{listen}/");
    println!("  echo hello | curl -s --max-time 2 telnet://{listen_tcp}");
    server.run_forever();
}
