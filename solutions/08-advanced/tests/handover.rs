//! The demo is upgraded again and again while it is asked, over HTTP/1.1 and HTTP/2, and no request fails.

#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

#[path = "demo/setup.rs"]
mod setup;

use std::{
    future::pending,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use course::cargo::{self, Diagnostics};
use http_body_util::{BodyExt, Empty};
use hyper::{
    Request,
    client::conn::http2::{self, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use lab::{Certificates, Proxy, ProxyBuilder, Signal, Target, eventually, expect};
use tokio::{net::TcpListener, process::Command, task::JoinSet, time::sleep};

/// The echo server, for the length of a test.
async fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a free port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(upstreams::serve(listener, "upstream", pending()));
    address
}

/// The demo, and those that take over from it: on the same ports, with the same files.
struct Edge {
    certificates: Certificates,
    upstream: SocketAddr,
    current: Proxy,
}

impl Edge {
    async fn start() -> Self {
        let certificates = Certificates::new();
        let upstream = upstream().await;
        let current = demo(&certificates, upstream).alone().await;
        let edge = Self {
            certificates,
            upstream,
            current,
        };
        // The second port opens a moment later, and who asks there does not try twice.
        edge.https().get("/").send().await.expect_status(200);
        edge
    }

    fn https(&self) -> Target {
        setup::https(&self.current, &self.certificates)
    }

    /// Starts a new process, has the old one hand over, and waits until that has gone.
    async fn upgrade(&mut self) {
        let mut new = demo(&self.certificates, self.upstream).arg("-u");
        for port in ["LISTEN", "LISTEN_TLS"] {
            new = new.env(port, self.current.port(port).address());
        }
        let new = new.alone().await;
        eventually("the new process waits for the sockets", async || {
            self.has_file("sock")
        })
        .await;
        let old = std::mem::replace(&mut self.current, new);
        old.signal(Signal::SIGQUIT);
        old.wait_for_log("service 'edge' exited").await;
        old.wait_for_exit().await.expect_code(0);
    }

    fn has_file(&self, end: &str) -> bool {
        let files = self.certificates.path().read_dir();
        let mut files = files.expect("the folder").flatten();
        files.any(|file| file.path().extension().is_some_and(|it| it == end))
    }
}

fn demo(certificates: &Certificates, upstream: SocketAddr) -> ProxyBuilder {
    setup::demo(certificates)
        .env("UPSTREAMS", upstream)
        .env("DRAIN_MS", 60_000)
        .env("RUST_LOG", "warn,pingora_core::server=info")
}

/// The chapter's own client, which tries nothing twice. It runs until it is interrupted.
async fn count(edge: &Edge) -> Proxy {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let program = cargo::Target::Binary("ch08-count");
    let built = cargo::build(&root, "ch08-advanced", program, Diagnostics::Returned);
    let built = built.expect("ch08-count, built");
    let url = format!("https://{}/", edge.current.port("LISTEN_TLS").address());
    Proxy::at_path(built.executable, "8-0")
        .env("CERTS", edge.certificates.folder())
        // What it asks: it counts as started.
        .env("LISTEN", edge.current.port("LISTEN").address())
        .arg(url)
        .alone()
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn three_upgrades_under_load_lose_no_request() {
    let mut edge = Edge::start().await;
    let count = count(&edge).await;

    for _ in 0..3 {
        edge.upgrade().await;
    }

    count.signal(Signal::SIGINT);
    let ended = count.wait_for_exit().await;
    println!("{}", ended.stdout);
    ended.expect_code(0);
    ended.expect_stdout_contains(" requests, 0 failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_http2_lose_no_request() {
    let mut edge = Edge::start().await;
    let ends = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for path in ["/", "/", "/bytes/500000", "/drip/20?every=100"] {
        for pause in [1, 2_000] {
            let target = edge.current.port("LISTEN_TLS");
            let target = target.tls(setup::tls(&edge.certificates).alpn(["h2"]));
            let pause = Duration::from_millis(pause);
            clients.spawn(ask(target, path, pause, Arc::clone(&ends)));
        }
    }

    edge.upgrade().await;

    ends.store(true, Ordering::Relaxed);
    let (mut requests, mut connections) = (0, 0);
    while let Some(client) = clients.join_next().await {
        let (asked, connected) = client.expect("no request fails");
        requests += asked;
        connections += connected;
    }
    println!("{requests} requests on {connections} connections");
    expect(
        connections >= 16,
        "each client has connected to both processes",
    );
}

/// Nothing is wrong with its pace: it does not read, and the rest of the answer waits on both machines. When the server
/// closes, the client is still about to say how much more it can take.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_leaves_a_slow_download_over_http2_its_end() {
    let edge = Edge::start().await;
    let address = edge.current.port("LISTEN_TLS").address();
    let download = edge.certificates.path().join("download");
    let curl = Command::new("curl")
        .args(["--http2", "-sS", "--limit-rate", "4M", "--cacert"])
        .arg(edge.certificates.path().join("ca.pem"))
        .arg("-o")
        .arg(&download)
        .arg(format!("https://{address}/bytes/20000000"))
        .kill_on_drop(true)
        .spawn();
    let mut curl = curl.expect("curl");
    eventually("the download has begun", async || {
        download.metadata().is_ok_and(|it| it.len() > 1_000_000)
    })
    .await;

    edge.current.signal(Signal::SIGTERM);

    let status = curl.wait().await.expect("its end");
    expect(status.success(), format!("a whole download: {status}"));
    edge.current.wait_for_exit().await.expect_code(0);
}

/// One client: how often it asked, on how many connections. It takes a new one where the server has said GOAWAY.
async fn ask(target: Target, path: &str, pause: Duration, ends: Arc<AtomicBool>) -> (usize, usize) {
    let (mut requests, mut connections) = (0, 0);
    let mut kept: Option<SendRequest<Empty<Bytes>>> = None;
    loop {
        let last = ends.load(Ordering::Relaxed);
        let mut client = match kept.take().filter(|it| !it.is_closed()) {
            Some(client) => client,
            None => {
                connections += 1;
                connect(&target).await
            }
        };
        let request = Request::get(format!("https://one.test{path}"));
        let request = request.body(Empty::new()).expect("a request");
        let answer = client.send_request(request).await;
        if answer.as_ref().is_err_and(was_not_processed) {
            continue;
        }
        let answer = answer.expect("an answer");
        requests += 1;
        assert_eq!(answer.status(), 200);
        answer.into_body().collect().await.expect("a whole body");
        kept = Some(client);
        if last {
            return (requests, connections);
        }
        sleep(pause).await;
    }
}

/// GOAWAY says which request was the last one that is processed. One behind it is not lost: whatever its method, a client
/// sends it again, on a new connection (RFC 9113, section 6.8). The second case was never sent.
fn was_not_processed(error: &hyper::Error) -> bool {
    format!("{error:?}").contains("GoAway(b\"\", NO_ERROR, Remote)") || error.is_canceled()
}

async fn connect(target: &Target) -> SendRequest<Empty<Bytes>> {
    let stream = TokioIo::new(target.stream().await);
    let handshake = http2::handshake(TokioExecutor::new(), stream).await;
    let (client, connection) = handshake.expect("a connection");
    tokio::spawn(connection);
    client
}
