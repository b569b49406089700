//! Judges the proxy from outside: what goes in, what comes out, what the upstream saw.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

/// A proxy that ends with the test, also when the test panics.
struct Proxy(Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn a_request_goes_through() {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream_address = upstream.local_addr().unwrap();
    let seen = thread::spawn(move || answer_one(&upstream));

    let listen = free_address();
    let _proxy = Proxy(
        Command::new(env!("CARGO_BIN_EXE_my-proxy"))
            .env("LISTEN", listen.to_string())
            .env("UPSTREAM", upstream_address.to_string())
            .spawn()
            .unwrap(),
    );
    let mut client = connect(listen);
    write!(
        client,
        "GET /a?b=c HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();

    assert!(
        answer.starts_with("HTTP/1.1 200 OK"),
        "the client got {answer:?}"
    );
    assert!(
        answer.ends_with("\r\n\r\nhello"),
        "the client got {answer:?}"
    );
    let seen = seen.join().unwrap();
    assert!(
        seen.starts_with("GET /a?b=c HTTP/1.1\r\n"),
        "the upstream got {seen:?}"
    );
    assert!(
        seen.to_lowercase().contains("host: shop.example\r\n"),
        "the upstream got {seen:?}"
    );
}

/// Answers one request with "hello" and returns its header.
fn answer_one(upstream: &TcpListener) -> String {
    let (stream, _) = upstream.accept().unwrap();
    let mut reader = BufReader::new(&stream);
    let mut header = String::new();
    while !header.ends_with("\r\n\r\n") {
        assert!(
            reader.read_line(&mut header).unwrap() > 0,
            "the request ended after {header:?}"
        );
    }
    (&stream)
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        .unwrap();
    header
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

/// Waits until the proxy listens.
fn connect(address: SocketAddr) -> TcpStream {
    let patience = Instant::now() + Duration::from_secs(30);
    loop {
        match TcpStream::connect(address) {
            Ok(stream) => return stream,
            Err(error) => assert!(Instant::now() < patience, "no proxy on {address}: {error}"),
        }
        thread::sleep(Duration::from_millis(20));
    }
}
