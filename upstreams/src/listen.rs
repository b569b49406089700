//! The address to listen on: parsed, and tried, before Pingora takes it and panics.

use crate::arguments::{Switches, or_exit, variable};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use tokio::net::TcpSocket;

/// The address in this environment variable, or else the default, as text for Pingora's `add_tcp`.
///
/// The address is bound for a moment, to find out now whether it is free; not with `-u`, where the old process still
/// holds it, nor with `-t`. If the value is no address or cannot be listened on, one line on stderr says what to do,
/// and the process ends with exit code 2.
pub fn listen(variable: &str, default: &str) -> String {
    let address = find(variable, default, Switches::of_this_process());
    or_exit(address.and_then(|address| hand_out(variable, address))).to_string()
}

fn find(name: &str, default: &str, switches: Switches) -> Result<SocketAddr, String> {
    let value = variable(name)?;
    let address = parse(name, value.as_deref().unwrap_or(default))?;
    if !switches.upgrade && !switches.test {
        drop(bind(address).map_err(|error| explain(name, address, &error))?);
    }
    Ok(address)
}

/// Two services on one address would take each other's connections, and nothing would say so.
fn hand_out(name: &str, address: SocketAddr) -> Result<SocketAddr, String> {
    static HANDED_OUT: Mutex<Vec<SocketAddr>> = Mutex::new(Vec::new());
    let mut handed_out = HANDED_OUT.lock().unwrap_or_else(PoisonError::into_inner);
    if handed_out.contains(&address) {
        return Err(format!(
            "{name}: {address} is given to another port of this program already. Choose another port: \
             {name}={} cargo run",
            neighbour(address)
        ));
    }
    handed_out.push(address);
    Ok(address)
}

/// Binds and does not listen: who connected to a listener that is gone a moment later would be reset.
fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // As a server does: a port in TIME_WAIT is free.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn parse(name: &str, value: &str) -> Result<SocketAddr, String> {
    value.parse().map_err(|_| {
        format!(
            "{name}: '{}' is not an address to listen on. Write an IP address and a port: \
             {name}=127.0.0.1:6188, {name}=0.0.0.0:6188 or {name}=[::1]:6188",
            value.escape_debug()
        )
    })
}

fn explain(name: &str, address: SocketAddr, error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::AddrInUse => format!(
            "{name}: {address} is already in use. Stop the other program, or choose another port: \
             {name}={} cargo run",
            neighbour(address)
        ),
        ErrorKind::PermissionDenied => format!(
            "{name}: {address} is not permitted, as ports below 1024 often are. Choose another port: \
             {name}={} cargo run",
            SocketAddr::new(address.ip(), 6188)
        ),
        ErrorKind::AddrNotAvailable => format!(
            "{name}: {address} is not an address of this machine. Choose one that is: \
             {name}={} cargo run",
            SocketAddr::from(([127, 0, 0, 1], address.port()))
        ),
        _ => format!(
            "{name}: cannot listen on {address}: {error}. Choose another address: {name}=127.0.0.1:6188 cargo run"
        ),
    }
}

/// The same address with the next port.
fn neighbour(mut address: SocketAddr) -> SocketAddr {
    address.set_port(address.port().checked_add(1).unwrap_or(6188));
    address
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn an_address_is_an_ip_address_and_a_port() {
        for good in ["127.0.0.1:6188", "0.0.0.0:80", "[::1]:6188"] {
            assert_eq!(parse("LISTEN", good).unwrap().to_string(), good);
        }
        for bad in [
            "6188",
            ":6188",
            "localhost:6188",
            "127.0.0.1",
            "::1:6188",
            "1.2.3.4:65536",
            "nonsense",
        ] {
            let error = parse("ADMIN", bad).unwrap_err();
            assert!(
                error.starts_with("ADMIN: ") && error.contains("ADMIN=127.0.0.1:6188"),
                "{error}"
            );
            assert_eq!(error.lines().count(), 1);
        }
    }

    #[test]
    fn a_port_in_use_is_named_with_the_way_out() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = held.local_addr().unwrap();
        let error = find("NEVER_SET", &address.to_string(), Switches::default()).unwrap_err();
        assert!(
            error.starts_with(&format!("NEVER_SET: {address} is already in use.")),
            "{error}"
        );
        assert!(error.contains("NEVER_SET=127.0.0.1:"), "{error}");
        for switches in [
            Switches {
                upgrade: true,
                ..Switches::default()
            },
            Switches {
                test: true,
                ..Switches::default()
            },
        ] {
            assert_eq!(
                find("NEVER_SET", &address.to_string(), switches),
                Ok(address)
            );
        }
    }

    #[test]
    fn an_address_is_handed_out_once() {
        let address = "127.0.0.1:6188".parse().unwrap();
        assert_eq!(hand_out("LISTEN", address), Ok(address));
        let error = hand_out("ADMIN", address).unwrap_err();
        assert!(
            error.starts_with("ADMIN: 127.0.0.1:6188 is given to another port"),
            "{error}"
        );
        assert!(error.contains("ADMIN=127.0.0.1:6189"), "{error}");
    }

    #[test]
    fn trying_a_port_accepts_nobody() {
        let socket = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let refused = TcpStream::connect(socket.local_addr().unwrap()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    }

    #[test]
    fn every_reason_has_a_way_out() {
        let address = SocketAddr::from(([127, 0, 0, 1], 65535));
        for (kind, text) in [
            (ErrorKind::AddrInUse, "LISTEN=127.0.0.1:6188"),
            (ErrorKind::PermissionDenied, "LISTEN=127.0.0.1:6188"),
            (ErrorKind::AddrNotAvailable, "LISTEN=127.0.0.1:65535"),
            (ErrorKind::Other, "LISTEN=127.0.0.1:6188"),
        ] {
            let error = explain("LISTEN", address, &kind.into());
            assert!(
                error.contains("127.0.0.1:65535") && error.contains(text),
                "{error}"
            );
        }
    }
}
