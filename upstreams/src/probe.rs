//! One HTTP request from blocking code: is our echo server there, is a server healthy?

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

const MAX_HEAD: usize = 16 * 1024;
const MAX_HEADERS: usize = 128;
const PATIENCE: Duration = Duration::from_secs(2);

/// The head of an answer.
struct Head {
    status: u16,
    server: Option<String>,
}

/// Whether our echo server answers at this address: every answer of it says `server: upstreams`.
pub(crate) fn is_echo_server(address: SocketAddr) -> bool {
    let head = get(address, &address.to_string(), "/help");
    head.is_ok_and(|head| head.server.as_deref() == Some("upstreams"))
}

/// Asks a server for its health: `host:port`, with an optional path (`/health` otherwise) and an optional `http://`.
/// Any status from 200 to 399 is healthy.
///
/// # Errors
/// One line that says what was asked and what is wrong.
pub fn healthcheck(target: &str) -> Result<(), String> {
    let (host, path) = parse_target(target)?;
    let address = host
        .to_socket_addrs()
        .map_err(|error| format!("{host}: {error}"))?
        .next();
    let address = address.ok_or_else(|| format!("{host}: no such host"))?;
    let head =
        get(address, host, path).map_err(|error| format!("GET http://{host}{path}: {error}"))?;
    match head.status {
        200..=399 => Ok(()),
        status => Err(format!("GET http://{host}{path}: status {status}")),
    }
}

fn parse_target(target: &str) -> Result<(&str, &str), String> {
    let target = target.strip_prefix("http://").unwrap_or(target);
    let (host, path) = match target.find('/') {
        Some(slash) => target.split_at(slash),
        None => (target, "/health"),
    };
    let port = host
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse::<u16>().ok());
    if port.is_none() || target.contains(|letter: char| letter.is_ascii_control() || letter == ' ')
    {
        return Err(format!(
            "'{}' is not a server to ask. Write host:port or http://host:port/path",
            target.escape_debug()
        ));
    }
    Ok((host, path))
}

fn get(address: SocketAddr, host: &str, path: &str) -> io::Result<Head> {
    let end = Instant::now() + PATIENCE;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // In one write: a server that closes before it has read all of it would reset the connection.
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    let mut piece = [0; 1024];
    while bytes.len() < MAX_HEAD {
        // The time is for the whole answer: a server that drips would otherwise hold us for ever.
        let left = end
            .saturating_duration_since(Instant::now())
            .max(Duration::from_millis(1));
        stream.set_read_timeout(Some(left))?;
        let length = stream.read(&mut piece)?;
        bytes.extend_from_slice(piece.get(..length).unwrap_or_default());
        if let Some(head) = parse(&bytes)? {
            return Ok(head);
        }
        if length == 0 || Instant::now() >= end {
            break;
        }
    }
    Err(io::Error::new(ErrorKind::InvalidData, "no whole answer"))
}

fn parse(bytes: &[u8]) -> io::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let parsed = response
        .parse(bytes)
        .map_err(|_| io::Error::new(ErrorKind::InvalidData, "the answer is not HTTP"))?;
    if parsed.is_partial() {
        return Ok(None);
    }
    let server = response
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("server"));
    Ok(Some(Head {
        status: response.code.unwrap_or_default(),
        server: server.map(|header| String::from_utf8_lossy(header.value).into_owned()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    #[test]
    fn a_target_may_be_short() {
        assert_eq!(
            parse_target("127.0.0.1:8080"),
            Ok(("127.0.0.1:8080", "/health"))
        );
        assert_eq!(
            parse_target("http://localhost:6188/"),
            Ok(("localhost:6188", "/"))
        );
        assert_eq!(parse_target("[::1]:80/a/b?c"), Ok(("[::1]:80", "/a/b?c")));
        for bad in [
            "",
            "localhost",
            "https://host:443/",
            "host:http",
            "host:80/a b",
            "host:80/\r\nX: y",
        ] {
            assert!(parse_target(bad).is_err(), "{bad}");
        }
    }

    /// Accepts one connection and answers with these bytes.
    fn answering(bytes: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request);
            stream.write_all(bytes).unwrap();
        });
        address
    }

    #[test]
    fn two_and_three_hundreds_are_healthy() {
        for (answer, healthy) in [
            (&b"HTTP/1.1 204 No Content\r\n\r\n"[..], true),
            (b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n", true),
            (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", false),
            (b"SSH-2.0-OpenSSH\r\n", false),
            (b"HTTP/1.1 200 OK\r\nhalf", false),
            (b"", false),
        ] {
            let target = answering(answer).to_string();
            assert_eq!(
                healthcheck(&target).is_ok(),
                healthy,
                "{}",
                answer.escape_ascii()
            );
        }
    }

    #[test]
    fn another_server_is_not_taken_for_ours() {
        assert!(is_echo_server(answering(
            b"HTTP/1.1 200 OK\r\nServer: upstreams\r\n\r\n"
        )));
        assert!(!is_echo_server(answering(
            b"HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\n"
        )));
        assert!(!is_echo_server(answering(b"HTTP/1.1 200 OK\r\n\r\n")));
    }
}
