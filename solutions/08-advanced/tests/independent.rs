//! The solutions of 8.5 to 8.7 with clients and servers that are nobody's here: grpcio, websockets, curl and h2load,
//! where they are installed. `.ci/run` installs them.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use std::{net::SocketAddr, path::Path, process::Stdio};

use lab::{Certificates, Proxy};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    process::Command,
};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
/// Further away than any test lasts, in milliseconds.
const FAR: u32 = 3_600_000;

#[tokio::test]
async fn grpcio_calls_through() {
    let Some(python) = python("grpc").await else {
        return;
    };
    let proxy = || Proxy::of("8-6").env("READ_TIMEOUT_MS", 100);
    let mut script = Script::start(&python, "grpc_calls.py").await;
    let far = proxy().env("DEADLINE_MS", FAR);
    let through = far.clone().env("UPSTREAMS", script.upstream).alone().await;
    let refused = far.alone().await;
    let bounded = proxy().env("DEADLINE_MS", 500);
    // Connections are made, and wait to be accepted.
    let (_listener, address) = listener().await;
    let mute = bounded.clone().env("UPSTREAMS", address).alone().await;
    let bounded = bounded.env("UPSTREAMS", script.upstream).alone().await;

    for (proxy, check) in [
        (through, "through"),
        (refused, "refused"),
        (bounded, "bounded"),
        (mute, "mute"),
    ] {
        script.check(proxy.address(), check, &proxy).await;
    }
    script.ends_well().await;
}

#[tokio::test]
async fn websockets_talk_through() {
    let Some(python) = python("websockets").await else {
        return;
    };
    let mut script = Script::start(&python, "websockets_through.py").await;
    let proxy = || {
        let builder = Proxy::of("8-7").env("UPSTREAMS", script.upstream);
        builder.env("READ_TIMEOUT_MS", FAR)
    };
    let through = proxy().env("IDLE_MS", FAR).alone().await;
    let idle = proxy().env("IDLE_MS", 500).alone().await;

    for (proxy, check) in [(through, "through"), (idle, "idle")] {
        script.check(proxy.address(), check, &proxy).await;
    }
    script.ends_well().await;
}

#[tokio::test]
async fn curl_speaks_what_it_likes() {
    let version = run("curl", &["--version"]).await;
    if !version.is_some_and(|it| it.split_whitespace().any(|word| word == "HTTP2")) {
        println!("skipped: no curl with HTTP/2");
        return;
    }
    let (proxy, certificates) = edge().await;
    let plain = format!("http://{}/", proxy.address());
    let tls = proxy.port("LISTEN_TLS").address();
    let secure = format!("https://localhost:{}/", tls.port());
    let authority = format!("{}/ca.pem", certificates.folder());

    for (url, arguments, wanted) in [
        (&plain, &["--http2-prior-knowledge"][..], "2"),
        (&plain, &["--http1.1"], "1.1"),
        (&secure, &["--http2"], "2"),
        (&secure, &["--http1.1"], "1.1"),
        (&secure, &["--http2", "--no-alpn"], "1.1"),
    ] {
        let mut all = vec!["-sS", "-w", "\n%{http_code} %{http_version}"];
        all.extend(["--cacert", authority.as_str(), "-d", "hello"]);
        all.extend(arguments);
        all.push(url);
        let said = run("curl", &all).await.unwrap_or_default();
        let end = said.lines().last().unwrap_or_default();
        assert_eq!(end, format!("200 {wanted}"), "{arguments:?} {url}: {said}");
        assert!(said.contains("\"version\": \"HTTP/2\""), "{said}");
    }
}

#[tokio::test]
async fn h2load_finds_no_failure() {
    if run("h2load", &["--version"]).await.is_none() {
        println!("skipped: no h2load");
        return;
    }
    let (proxy, _certificates) = edge().await;
    let plain = format!("http://{}/", proxy.address());
    let secure = format!("https://{}/", proxy.port("LISTEN_TLS").address());

    for (url, protocol) in [(plain, "h2c"), (secure, "h2")] {
        let arguments = ["-n", "5000", "-c", "10", "-m", "50", url.as_str()];
        let said = run("h2load", &arguments).await.unwrap_or_default();
        let wanted = "5000 total, 5000 started, 5000 done, 5000 succeeded, 0 failed, 0 errored";
        assert!(said.contains(wanted), "{said}{}", proxy.log());
        let agreed = format!("Application protocol: {protocol}");
        assert!(said.contains(&agreed), "{said}");
    }
}

/// The proxy of 8.5 in front of the course's echo server.
async fn edge() -> (Proxy, Certificates) {
    let (listener, address) = listener().await;
    tokio::spawn(upstreams::serve(listener, "echo", std::future::pending()));
    let certificates = Certificates::new();
    let proxy = Proxy::of("8-5").env("CERTS", certificates.folder());
    // A line for each request is more than anybody reads.
    let proxy = proxy.env("RUST_LOG", "warn").env("UPSTREAMS", address);
    (proxy.alone().await, certificates)
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    (listener, address)
}

/// A Python that has this module.
async fn python(module: &str) -> Option<String> {
    let installed = format!("{ROOT}/target/linters/bin/python");
    for python in [installed.as_str(), "python3"] {
        if run(python, &["-c", &format!("import {module}")])
            .await
            .is_some()
        {
            return Some(python.to_owned());
        }
    }
    println!("skipped: no Python with {module}");
    None
}

/// What a program prints; `None` if it is not there, or fails without a word.
async fn run(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().await.ok()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    (output.status.success() || !output.stdout.is_empty()).then_some(said)
}

/// A server and a client in Python. Dropping it ends both.
struct Script {
    child: tokio::process::Child,
    /// Where its server listens.
    upstream: SocketAddr,
    stdin: tokio::process::ChildStdin,
    stdout: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
}

impl Script {
    async fn start(python: &str, name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/independent");
        let mut child = Command::new(python)
            .arg(path.join(name))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("Python starts");
        let stdin = child.stdin.take().expect("piped");
        let stdout = child.stdout.take().expect("piped");
        let mut stdout = BufReader::new(stdout).lines();
        let port = stdout.next_line().await.ok().flatten();
        let port = port.and_then(|it| it.parse().ok()).expect("a port");
        Self {
            child,
            upstream: SocketAddr::from(([127, 0, 0, 1], port)),
            stdin,
            stdout,
        }
    }

    /// Hands over the address of a proxy; the name of the check comes back if all went well.
    async fn check(&mut self, address: SocketAddr, name: &str, proxy: &Proxy) {
        let line = format!("{address}\n");
        let sent = self.stdin.write_all(line.as_bytes()).await;
        let said = self.stdout.next_line().await.ok().flatten();
        assert!(
            sent.is_ok() && said.as_deref() == Some(name),
            "the check {name} failed, see above; the proxy's log:\n{}",
            proxy.log()
        );
    }

    async fn ends_well(mut self) {
        drop(self.stdin);
        let status = self.child.wait().await.expect("it ends");
        assert!(status.success(), "{status}");
    }
}
