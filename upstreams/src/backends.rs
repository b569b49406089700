//! The backends of a proxy: those it was given, or echo servers in this process.

use crate::arguments::{Switches, or_exit, variable};
use crate::probe::is_echo_server;
use crate::server::serve;
use std::fmt::Write;
use std::future;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime;

const PORTS: &str = "8081,8082,8083";
const EXAMPLE: &str = "UPSTREAMS=127.0.0.1:9001,127.0.0.1:9002";
/// Under compose, the names of what starts later do not resolve yet.
const RESOLVE_FOR: Duration = Duration::from_secs(10);
const RESOLVE_AGAIN: Duration = Duration::from_millis(250);

/// The backends to send requests to, never none.
///
/// If `UPSTREAMS` is set (`host:port`, several with commas), it is those; names are resolved here, once. Otherwise
/// 127.0.0.1:8081, 8082 and 8083: on each port that is free an echo server is started in this process, and one where
/// our echo server answers already is used as it is. `ECHO_PORTS` names other ports than these.
///
/// If that cannot be, one line on stderr says what to do, and the process ends with exit code 2. It blocks, for 10 s at
/// most beyond what the system's resolver takes; call it at start.
pub fn from_env() -> Vec<SocketAddr> {
    or_exit(find(Switches::of_this_process()))
}

fn find(switches: Switches) -> Result<Vec<SocketAddr>, String> {
    if let Some(list) = variable("UPSTREAMS")? {
        return resolve_all(&list, Instant::now() + RESOLVE_FOR);
    }
    let addresses = echo_addresses()?;
    refuse_to_outlive(switches)?;
    if !switches.test {
        eprintln!("{}", start_or_use(&addresses)?);
    }
    Ok(addresses)
}

/// Where echo servers listen unless told otherwise: three ports of 127.0.0.1, from `ECHO_PORTS` if that is set.
///
/// # Errors
/// One line, if `ECHO_PORTS` is not three different ports.
pub fn echo_addresses() -> Result<Vec<SocketAddr>, String> {
    parse_ports(variable("ECHO_PORTS")?.as_deref().unwrap_or(PORTS))
}

/// An old process would take its echo servers with it, and so would the foreground half of a daemon.
fn refuse_to_outlive(switches: Switches) -> Result<(), String> {
    let switch = match switches {
        Switches { upgrade: true, .. } => "-u (--upgrade)",
        Switches { daemon: true, .. } => "-d (--daemon)",
        _ => return Ok(()),
    };
    Err(format!(
        "UPSTREAMS: with {switch} it must be set, because echo servers inside a process end with it. \
         Run 'cargo run -p upstreams' in another terminal, and set UPSTREAMS=127.0.0.1:8081,127.0.0.1:8082"
    ))
}

fn resolve_all(list: &str, end: Instant) -> Result<Vec<SocketAddr>, String> {
    let names: Vec<&str> = list.split(',').map(str::trim).collect();
    names.iter().try_for_each(|name| check_form(name))?;
    names.into_iter().map(|name| resolve(name, end)).collect()
}

/// What can never resolve is refused at once.
fn check_form(name: &str) -> Result<(), String> {
    let (host, port) = name.rsplit_once(':').unwrap_or((name, ""));
    let port = port.parse().is_ok_and(|port: u16| port != 0);
    // An IPv6 address stands in brackets.
    let bare_ipv6 = host.contains(':') && !host.starts_with('[');
    if port && !host.is_empty() && !bare_ipv6 && !name.contains(['/', ' ', '@']) {
        return Ok(());
    }
    Err(format!(
        "UPSTREAMS: '{}' is not host:port. Write each as host:port, several with commas: {EXAMPLE}",
        name.escape_debug()
    ))
}

/// The first IPv4 address of a name, or else its first address: servers that a course starts rarely listen on both.
fn resolve(name: &str, end: Instant) -> Result<SocketAddr, String> {
    loop {
        let reason = match name.to_socket_addrs().map(Vec::from_iter) {
            Ok(found) => match found
                .iter()
                .find(|address| address.is_ipv4())
                .or(found.first())
            {
                Some(address) => return Ok(*address),
                None => "it has no address".to_owned(),
            },
            Err(error) => error.to_string(),
        };
        if Instant::now() + RESOLVE_AGAIN > end {
            return Err(format!(
                "UPSTREAMS: '{name}' does not resolve ({reason}). Check the name, or write an IP address: {EXAMPLE}"
            ));
        }
        thread::sleep(RESOLVE_AGAIN);
    }
}

fn parse_ports(list: &str) -> Result<Vec<SocketAddr>, String> {
    let ports: Option<Vec<u16>> = list
        .split(',')
        .map(|port| port.trim().parse().ok().filter(|&port| port != 0))
        .collect();
    let addresses = ports
        .iter()
        .flatten()
        .map(|&port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let addresses = Vec::from_iter(addresses);
    if matches!(addresses.as_slice(), [a, b, c] if a != b && b != c && a != c) {
        return Ok(addresses);
    }
    Err(format!(
        "ECHO_PORTS: '{}' is not three different ports. Write for example ECHO_PORTS={PORTS}",
        list.escape_debug()
    ))
}

/// Starts what is missing, and says in a line what was done.
fn start_or_use(addresses: &[SocketAddr]) -> Result<String, String> {
    let mut free = Vec::new();
    let mut used = Vec::new();
    for &address in addresses {
        match bind_unless_used(address)? {
            Some(listener) => free.push((address, listener)),
            None => used.push(address),
        }
    }
    let started: Vec<SocketAddr> = free.iter().map(|(address, _)| *address).collect();
    if !free.is_empty() {
        start(free.into_iter().map(|(_, listener)| listener).collect()).map_err(|error| {
            format!("UPSTREAMS: cannot start echo servers: {error}. Set it: {EXAMPLE}")
        })?;
    }
    Ok(summary(&started, &used))
}

/// `None`: our echo server answers there. It is asked before binding, because where another process listens on all
/// addresses, macOS would still let us bind this one.
fn bind_unless_used(address: SocketAddr) -> Result<Option<TcpListener>, String> {
    if is_echo_server(address) {
        return Ok(None);
    }
    match TcpListener::bind(address) {
        Ok(listener) => Ok(Some(listener)),
        // Another process was quicker, just now.
        Err(error) if error.kind() == ErrorKind::AddrInUse && is_echo_server(address) => Ok(None),
        Err(error) => Err(explain(address, &error)),
    }
}

fn explain(address: SocketAddr, error: &io::Error) -> String {
    let port = address.port();
    match error.kind() {
        ErrorKind::AddrInUse => format!(
            "UPSTREAMS: port {port} is held by another program, so no echo server can start on {address}. \
             Stop that program, or name backends of your own: {EXAMPLE}"
        ),
        _ => format!(
            "UPSTREAMS: no echo server can start on {address}: {error}. Name backends of your own: {EXAMPLE}"
        ),
    }
}

/// One thread for all of them, with a runtime of its own: the caller's, if it has one, starts later or is busy.
fn start(listeners: Vec<TcpListener>) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let run = move || runtime.block_on(run(listeners));
    thread::Builder::new()
        .name("upstreams".to_owned())
        .spawn(run)?;
    Ok(())
}

async fn run(listeners: Vec<TcpListener>) {
    let servers = listeners.into_iter().map(serve_one);
    for ended in futures_util::future::join_all(servers).await {
        ended.unwrap_or_else(
            |error| log::error!(target: "upstreams", "an echo server ended: {error}"),
        );
    }
}

/// A function, not an async closure: with one, Rust 1.95 fails to compile this crate again after a change.
async fn serve_one(listener: TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let name = listener.local_addr()?.port().to_string();
    let listener = tokio::net::TcpListener::from_std(listener)?;
    serve(listener, &name, future::pending()).await
}

fn summary(started: &[SocketAddr], used: &[SocketAddr]) -> String {
    let started =
        (!started.is_empty()).then(|| format!("echo servers started here on {}", list(started)));
    let used = (!used.is_empty()).then(|| {
        format!(
            "using the echo servers that already answer on {}",
            list(used)
        )
    });
    let parts: Vec<String> = started.into_iter().chain(used).collect();
    format!("upstreams: {}", parts.join("; "))
}

/// `127.0.0.1:8081, 8082, 8083`
fn list(addresses: &[SocketAddr]) -> String {
    let mut text = String::new();
    for address in addresses {
        let _ = match text.is_empty() {
            true => write!(text, "{address}"),
            false => write!(text, ", {}", address.port()),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Instant {
        Instant::now()
    }

    #[test]
    fn addresses_and_names_resolve() {
        let found = resolve_all("127.0.0.1:9001, [::1]:9002,localhost:9003", now()).unwrap();
        assert_eq!(found[0], "127.0.0.1:9001".parse().unwrap());
        assert_eq!(found[1], "[::1]:9002".parse().unwrap());
        assert!(found[2].ip().is_loopback() && found[2].port() == 9003);
    }

    #[test]
    fn what_is_not_host_and_port_is_refused_at_once() {
        for bad in [
            "8081",
            ":8081",
            "host",
            "host:",
            "host:0",
            "host:x",
            "host:65536",
            "::1:80",
            "http://a:80",
            "a:1,,b:2",
        ] {
            let error = resolve_all(bad, now() + RESOLVE_FOR).unwrap_err();
            assert!(
                error.starts_with("UPSTREAMS: ") && error.contains(EXAMPLE),
                "{bad}: {error}"
            );
            assert_eq!(error.lines().count(), 1);
        }
    }

    #[test]
    fn a_name_that_does_not_resolve_is_named() {
        let error = resolve_all("127.0.0.1:1,no-such-host.invalid:80", now()).unwrap_err();
        assert!(
            error.starts_with("UPSTREAMS: 'no-such-host.invalid:80' does not resolve"),
            "{error}"
        );
    }

    #[test]
    fn echo_ports_are_three() {
        assert_eq!(parse_ports("1, 2,3").unwrap().len(), 3);
        for bad in [
            "1,2",
            "1,2,3,4",
            "1,1,2",
            "0,1,2",
            "1,2,x",
            "1,2,65536",
            "1,2,",
        ] {
            assert!(parse_ports(bad).unwrap_err().contains(PORTS), "{bad}");
        }
    }

    #[test]
    fn upgrade_and_daemon_need_upstreams() {
        let none = Switches::default();
        assert_eq!(refuse_to_outlive(Switches { test: true, ..none }), Ok(()));
        let daemon = refuse_to_outlive(Switches {
            daemon: true,
            ..none
        })
        .unwrap_err();
        assert!(daemon.contains("-d (--daemon)"), "{daemon}");
        let upgrade = refuse_to_outlive(Switches {
            upgrade: true,
            ..none
        })
        .unwrap_err();
        assert!(upgrade.contains("-u (--upgrade)"), "{upgrade}");
    }

    #[test]
    fn the_summary_says_which_is_which() {
        let [a, b, c] = [8081, 8082, 8083].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        assert_eq!(
            summary(&[a, b, c], &[]),
            "upstreams: echo servers started here on 127.0.0.1:8081, 8082, 8083"
        );
        assert_eq!(
            summary(&[], &[a, b, c]),
            "upstreams: using the echo servers that already answer on 127.0.0.1:8081, 8082, 8083"
        );
        assert_eq!(
            summary(&[b], &[a, c]),
            "upstreams: echo servers started here on 127.0.0.1:8082; \
             using the echo servers that already answer on 127.0.0.1:8081, 8083"
        );
    }
}
