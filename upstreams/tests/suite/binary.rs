//! The command `upstreams`.

use crate::child::{Running, free_ports, join, upstreams};
use nix::sys::signal::Signal;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

fn ask(port: u16, target: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(
        stream,
        "GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    stream
}

fn answer(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn run(arguments: &[&str]) -> crate::child::Ended {
    let mut command = upstreams();
    command.args(arguments);
    Running::spawn(command).end()
}

#[test]
fn three_servers_by_default() {
    let ports: [u16; 3] = free_ports();
    let mut command = upstreams();
    command.env("ECHO_PORTS", join(&ports));
    let mut running = Running::spawn(command);
    for port in ports {
        assert_eq!(
            running.line(),
            format!("upstreams: {port} listens on http://127.0.0.1:{port}")
        );
    }
    for port in ports {
        assert!(answer(ask(port, "/")).contains(&format!("x-upstream: {port}\r\n")));
        let line = running.line();
        assert!(
            line.ends_with(&format!(
                "{port} connection=1 request=1 GET / 200 body_bytes=0"
            )),
            "{line}"
        );
    }
}

#[test]
fn names_in_the_order_of_the_addresses() {
    let [a, b, c] = free_ports();
    let mut command = upstreams();
    for port in [a, b, c] {
        command.arg("--listen").arg(format!("127.0.0.1:{port}"));
    }
    command.args(["--name", "red", "--name", "blue"]);
    let mut running = Running::spawn(command);
    for (port, name) in [(a, "red"), (b, "blue"), (c, c.to_string().as_str())] {
        assert_eq!(
            running.line(),
            format!("upstreams: {name} listens on http://127.0.0.1:{port}")
        );
    }
    assert!(answer(ask(a, "/")).contains("\"upstream\": \"red\""));
}

#[test]
fn both_signals_stop_gracefully() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let [port] = free_ports();
        let mut command = upstreams();
        command.args(["--listen", &format!("127.0.0.1:{port}")]);
        let mut running = Running::spawn(command);
        running.line();
        let stream = ask(port, "/delay/300");
        // The log line says that the request is in flight.
        assert!(running.line().contains("/delay/300"));
        running.signal(signal);
        assert!(
            answer(stream).contains("\"target\": \"/delay/300\""),
            "{signal}"
        );
        assert_eq!(running.wait().code(), Some(0), "{signal}");
    }
}

#[test]
fn a_second_signal_leaves_at_once() {
    let [port] = free_ports();
    let mut command = upstreams();
    command.args(["--listen", &format!("127.0.0.1:{port}")]);
    let mut running = Running::spawn(command);
    running.line();
    let _stream = ask(port, "/delay/60000");
    running.line();
    running.signal(Signal::SIGTERM);
    // The first signal was taken when nobody listens any more.
    while TcpStream::connect(("127.0.0.1", port)).is_ok() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    running.signal(Signal::SIGTERM);
    assert_eq!(running.wait().code(), Some(1));
}

#[test]
fn a_port_in_use_is_an_error_of_one_line() {
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap().to_string();
    let ended = run(&["--listen", &address]);
    assert_eq!(ended.code, Some(2));
    assert!(
        ended
            .stderr
            .starts_with(&format!("{address} is already in use.")),
        "{}",
        ended.stderr
    );
    assert_eq!(ended.stderr.lines().count(), 1);
}

#[test]
fn bad_arguments_are_refused() {
    for arguments in [
        &["--listen", "8080"][..],
        &["--listen", "127.0.0.1:0", "--name", "a b"],
        &["--listen", "127.0.0.1:0", "--name", ""],
        &["--listen", "127.0.0.1:0", "--name", "a", "--name", "b"],
        &["--healthcheck", "127.0.0.1:1", "--name", "a"],
        &["--nonsense"],
    ] {
        let ended = run(arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}");
        assert!(!ended.stderr.is_empty() && ended.stdout.is_empty());
    }
}

#[test]
fn help_says_what_it_is() {
    let ended = run(&["--help"]);
    assert_eq!(ended.code, Some(0));
    for part in [
        "8081, 8082 and 8083",
        "--listen <ADDRESS:PORT>",
        "--healthcheck",
        "/help",
        "Examples:",
    ] {
        assert!(ended.stdout.contains(part), "{part}");
    }
}

#[test]
fn healthcheck_reports_by_its_exit_code() {
    let [port, nobody] = free_ports();
    let address = format!("127.0.0.1:{port}");
    let mut command = upstreams();
    command.args(["--listen", &address]);
    let mut running = Running::spawn(command);
    running.line();
    for (target, code) in [
        (address.clone(), 0),
        (format!("http://{address}/"), 0),
        (format!("http://{address}/status/302"), 0),
        (format!("{address}/status/404"), 1),
        (format!("{address}/close"), 1),
        (format!("127.0.0.1:{nobody}"), 1),
        ("nonsense".to_owned(), 1),
    ] {
        let ended = run(&["--healthcheck", &target]);
        assert_eq!(ended.code, Some(code), "{target}: {}", ended.stderr);
        assert_eq!(
            ended.stderr.lines().count(),
            usize::from(code != 0),
            "{target}: {}",
            ended.stderr
        );
    }
}
