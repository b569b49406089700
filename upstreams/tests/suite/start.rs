//! `from_env` and `listen`, in a process of their own (`examples/start.rs`).

use crate::child::{Running, free_ports, join, start_example};
use crate::common::Response;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

/// What the process must say before it ends with code 2: one line with all of these.
fn expect_refusal(mut command: Command, parts: &[&str]) {
    command.stdin(Stdio::null());
    let ended = Running::spawn(command).end();
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    for part in parts {
        assert!(
            ended.stderr.contains(part),
            "{part:?} is not in: {}",
            ended.stderr
        );
    }
}

fn with(listen: &str, variables: &[(&str, &str)]) -> Command {
    let mut command = start_example();
    command
        .env("LISTEN", listen)
        .envs(variables.iter().copied());
    command
}

/// The two lines that the example prints.
fn stdout(running: &mut Running) -> (String, String) {
    let mut lines = BufReader::new(running.child.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    (next(), next())
}

fn ask(port: u16) -> Response {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    Response::parse(&bytes)
}

#[test]
fn echo_servers_start_answer_and_are_used_by_the_next() {
    let [listen, other, a, b, c] = free_ports();
    let ports = join(&[a, b, c]);
    let listen = format!("127.0.0.1:{listen}");
    let mut first = Running::spawn(with(&listen, &[("ECHO_PORTS", &ports)]));
    let line = first.line();
    assert_eq!(
        line,
        format!("upstreams: echo servers started here on 127.0.0.1:{a}, {b}, {c}")
    );
    let (address, backends) = stdout(&mut first);
    assert_eq!(address, listen);
    assert_eq!(
        backends,
        format!("127.0.0.1:{a},127.0.0.1:{b},127.0.0.1:{c}")
    );
    for port in [a, b, c] {
        assert_eq!(
            ask(port).header("x-upstream"),
            Some(port.to_string().as_str())
        );
    }

    let second = with(&format!("127.0.0.1:{other}"), &[("ECHO_PORTS", &ports)]);
    let mut second = Running::spawn(second);
    let line = second.line();
    assert_eq!(
        line,
        format!("upstreams: using the echo servers that already answer on 127.0.0.1:{a}, {b}, {c}")
    );
    assert_eq!(stdout(&mut second).1, backends);
}

#[test]
fn what_is_missing_is_started() {
    let [listen, other, a, b, c, d] = free_ports();
    let first = with(
        &format!("127.0.0.1:{listen}"),
        &[("ECHO_PORTS", &join(&[a, b, c]))],
    );
    let mut first = Running::spawn(first);
    first.line();
    let second = with(
        &format!("127.0.0.1:{other}"),
        &[("ECHO_PORTS", &join(&[a, d, c]))],
    );
    let line = Running::spawn(second).line();
    let expected = format!(
        "upstreams: echo servers started here on 127.0.0.1:{d}; \
         using the echo servers that already answer on 127.0.0.1:{a}, {c}"
    );
    assert_eq!(line, expected);
}

#[test]
fn a_port_that_another_program_holds_is_named() {
    let [listen, a, b, c] = free_ports();
    // Accepts and never answers, as the worst case.
    let _held = TcpListener::bind(("127.0.0.1", b)).unwrap();
    let command = with(
        &format!("127.0.0.1:{listen}"),
        &[("ECHO_PORTS", &join(&[a, b, c]))],
    );
    expect_refusal(
        command,
        &[
            &format!("port {b} is held by another program"),
            "UPSTREAMS=",
            "Stop that program",
        ],
    );
}

#[test]
fn upstreams_are_taken_as_given() {
    let [listen] = free_ports();
    let mut command = with(
        &format!("127.0.0.1:{listen}"),
        &[("UPSTREAMS", "127.0.0.1:9001, localhost:9002")],
    );
    command.stdin(Stdio::null());
    let ended = Running::spawn(command).end();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert_eq!(
        ended.stdout,
        format!("127.0.0.1:{listen}\n127.0.0.1:9001,127.0.0.1:9002\n")
    );
}

#[test]
fn bad_settings_are_refused() {
    let [listen] = free_ports();
    let listen = format!("127.0.0.1:{listen}");
    for (name, value, parts) in [
        (
            "UPSTREAMS",
            "8081",
            ["'8081' is not host:port", "UPSTREAMS=127.0.0.1:9001"],
        ),
        (
            "UPSTREAMS",
            "http://a:80",
            ["'http://a:80' is not host:port", "UPSTREAMS=127.0.0.1:9001"],
        ),
        (
            "ECHO_PORTS",
            "8081",
            [
                "ECHO_PORTS: '8081' is not three different ports",
                "ECHO_PORTS=8081,8082,8083",
            ],
        ),
        (
            "LISTEN",
            "6188",
            ["LISTEN: '6188' is not an address", "LISTEN=127.0.0.1:6188"],
        ),
        (
            "LISTEN",
            "localhost:6188",
            [
                "LISTEN: 'localhost:6188' is not an address",
                "LISTEN=[::1]:6188",
            ],
        ),
        ("LISTEN", "a\nb", ["'a\\nb' is not", "LISTEN="]),
    ] {
        expect_refusal(with(&listen, &[(name, value)]), &parts);
    }
}

#[test]
fn a_name_that_does_not_resolve_is_refused_after_a_while() {
    let [listen] = free_ports();
    let command = with(
        &format!("127.0.0.1:{listen}"),
        &[("UPSTREAMS", "no-such-host.invalid:80")],
    );
    expect_refusal(
        command,
        &["'no-such-host.invalid:80' does not resolve", "UPSTREAMS="],
    );
}

#[test]
fn a_listen_port_in_use_is_refused_with_the_way_out() {
    let [port, _] = free_ports();
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let held = listener.local_addr().unwrap();
    let next = format!("LISTEN=127.0.0.1:{} cargo run", held.port() + 1);
    let command = with(&held.to_string(), &[("UPSTREAMS", "127.0.0.1:1")]);
    expect_refusal(
        command,
        &[&format!("LISTEN: {held} is already in use."), &next],
    );
}

#[test]
fn upgrade_and_test_do_not_try_the_port() {
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    for switch in ["-u", "--upgrade", "-t", "--test", "-du"] {
        let mut command = with(
            &held.local_addr().unwrap().to_string(),
            &[("UPSTREAMS", "127.0.0.1:1")],
        );
        command.arg(switch).stdin(Stdio::null());
        assert_eq!(Running::spawn(command).end().code, Some(0), "{switch}");
    }
}

#[test]
fn upgrade_and_daemon_need_upstreams() {
    let [listen] = free_ports();
    for switch in ["-u", "--upgrade", "-d", "--daemon", "-du"] {
        let mut command = with(&format!("127.0.0.1:{listen}"), &[]);
        command.arg(switch);
        expect_refusal(
            command,
            &[
                "UPSTREAMS: with -",
                "it must be set",
                "cargo run -p upstreams",
            ],
        );
    }
}

#[test]
fn a_test_of_the_configuration_starts_nothing() {
    let [listen, a, b, c] = free_ports();
    let mut command = with(
        &format!("127.0.0.1:{listen}"),
        &[("ECHO_PORTS", &join(&[a, b, c]))],
    );
    command.arg("-t");
    let mut running = Running::spawn(command);
    assert_eq!(
        stdout(&mut running).1,
        format!("127.0.0.1:{a},127.0.0.1:{b},127.0.0.1:{c}")
    );
    assert!(TcpStream::connect(("127.0.0.1", a)).is_err());
}
