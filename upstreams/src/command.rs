//! The command line, and what it asks for.

use crate::signals::Signals;
use clap::Parser;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Echo servers to put behind a proxy: they say what they received, and misbehave when asked to.
///
/// Without --listen they listen on 127.0.0.1, ports 8081, 8082 and 8083, or those in ECHO_PORTS. They speak HTTP/1.1,
/// HTTP/2 with prior knowledge and, on /ws, WebSocket. What else they can do: curl http://127.0.0.1:8081/help
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "\
Examples:
  upstreams
  upstreams --listen 0.0.0.0:8080 --name a
  upstreams --listen 127.0.0.1:9001 --listen 127.0.0.1:9002 --name a --name b
  upstreams --healthcheck 127.0.0.1:8080

Each request is logged to stderr; RUST_LOG=warn silences that.
SIGINT and SIGTERM finish what is in flight (5 s at most); a second one leaves at once."
)]
pub(crate) struct Command {
    /// Listen here; may be repeated
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Vec<SocketAddr>,

    /// The name of a server, in the order of --listen [default: its port]
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    name: Vec<String>,

    /// Ask a server for /health, or another path, and exit with 0 if it is well (2xx, 3xx) or 1 if it is not
    #[arg(long, value_name = "HOST:PORT[/PATH]", conflicts_with_all = ["listen", "name"])]
    healthcheck: Option<String>,
}

/// One line, and the exit code.
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) reason: String,
}

impl Command {
    pub(crate) fn run(self) -> Result<(), Failure> {
        match &self.healthcheck {
            Some(target) => {
                upstreams::healthcheck(target).map_err(|reason| Failure { code: 1, reason })
            }
            None => self.serve().map_err(|reason| Failure { code: 2, reason }),
        }
    }

    fn serve(&self) -> Result<(), String> {
        let servers = self.servers()?;
        let runtime =
            tokio::runtime::Runtime::new().map_err(|error| format!("cannot start: {error}"))?;
        runtime.block_on(serve_all(servers))
    }

    /// Addresses and names.
    fn servers(&self) -> Result<Vec<(SocketAddr, String)>, String> {
        let addresses = if self.listen.is_empty() {
            upstreams::echo_addresses()?
        } else {
            self.listen.clone()
        };
        if self.name.len() > addresses.len() {
            return Err(format!(
                "{} names for {} servers. Give each --name its --listen.",
                self.name.len(),
                addresses.len()
            ));
        }
        let names = self
            .name
            .iter()
            .cloned()
            .map(Some)
            .chain(std::iter::repeat(None));
        let named = addresses.into_iter().zip(names);
        Ok(named
            .map(|(address, name)| (address, name.unwrap_or_else(|| address.port().to_string())))
            .collect())
    }
}

fn parse_name(name: &str) -> Result<String, &'static str> {
    let allowed =
        (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
    if allowed {
        Ok(name.to_owned())
    } else {
        Err("write up to 64 ASCII characters without spaces")
    }
}

async fn serve_all(servers: Vec<(SocketAddr, String)>) -> Result<(), String> {
    let mut signals = Signals::catch().map_err(|error| format!("cannot catch signals: {error}"))?;
    let (stop, stopped) = watch::channel(false);
    let mut running = JoinSet::new();
    let mut lines = Vec::new();
    for (address, name) in servers {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| explain(address, &error))?;
        let bound = listener.local_addr().unwrap_or(address);
        lines.push(format!("upstreams: {name} listens on http://{bound}"));
        let mut stopped = stopped.clone();
        running.spawn(async move {
            let shutdown = async { stopped.wait_for(|stop| *stop).await.map_or((), |_| ()) };
            upstreams::serve(listener, &name, shutdown).await
        });
    }
    lines.iter().for_each(|line| eprintln!("{line}"));
    signals.first().await;
    stop.send_replace(true);
    tokio::select! {
        () = signals.leave_at_the_next() => {}
        _ = running.join_all() => {}
    }
    Ok(())
}

fn explain(address: SocketAddr, error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::AddrInUse => format!(
            "{address} is already in use. Stop the other program, or choose another port: --listen 127.0.0.1:9001"
        ),
        _ => format!(
            "cannot listen on {address}: {error}. Choose another address: --listen 127.0.0.1:9001"
        ),
    }
}
