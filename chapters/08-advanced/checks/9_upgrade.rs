//! 8.9 A new process takes the sockets over while clients ask and load: no request of theirs fails.
//!
//! A test lasts as long as an upgrade: Pingora lets 5 s pass between the sockets and the end of listening.

use lab::{Proxy, ProxyBuilder, Reply, Signal, Upstream, eventually, expect};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const EXERCISE: &str = "8-9";

const IDLE: &str = "the client was told that its connection stays open, and the new process cannot answer on it: keep \
                    it until its next request, and close it with the answer to that";

fn proxy() -> ProxyBuilder {
    // Pingora says at this level when a service has ended.
    Proxy::of(EXERCISE).env("RUST_LOG", "info")
}

/// Starts a new process that waits for the sockets of the old one, and sends that SIGQUIT.
async fn upgrade(old: &Proxy, upstream: &Upstream) -> Proxy {
    let address = old.address();
    let new = proxy().env("LISTEN", address).arg("-u");
    let new = new.in_front_of(upstream).await;
    let socket = format!("/tmp/edge-{}.sock", address.port());
    eventually("the new process waits for the sockets", async || {
        Path::new(&socket).exists()
    })
    .await;
    old.signal(Signal::SIGQUIT);
    new
}

/// Waits until the old process listens no more, and has told its service so.
async fn stopped_listening(old: &Proxy) {
    old.wait_for_log("service 'proxy' exited")
        .usually("the old process ended before Pingora had stopped to listen")
        .await;
}

#[tokio::test]
#[cfg_attr(
    not(target_os = "linux"),
    ignore = "Pingora hands sockets over on Linux alone"
)]
async fn a_kept_alive_client_is_told_to_close_and_goes_on_with_the_new_process() {
    let upstreams = [
        Upstream::always(Reply::text(200, "old")).await,
        Upstream::always(Reply::text(200, "new")).await,
    ];
    let [before, after] = &upstreams;
    let old = proxy().in_front_of(before).await;
    let client = old.client().await;
    client.get("/").send().await.expect_body("old");
    let _new = upgrade(&old, after).await;

    loop {
        let answer = client.get("/").send().await;
        answer.expect_body("old").usually(
            "its connection was closed, and no answer had said so: from when on does the old process tell its clients?",
        );
        if answer.header("connection") == Some("close") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    old.expect_log_without("service 'proxy' exited").usually(
        "clients were told only when the old process had stopped to listen: they may go as soon as the new one listens",
    );
    old.wait_for_exit().await.expect_code(0);
    old.get("/").send().await.expect_body("new");
}

#[tokio::test]
#[cfg_attr(
    not(target_os = "linux"),
    ignore = "Pingora hands sockets over on Linux alone"
)]
async fn an_idle_client_gets_its_next_answer_and_then_the_old_process_leaves() {
    let upstream = Upstream::echo().await;
    let old = proxy().in_front_of(&upstream).await;
    let mut idle = Vec::new();
    for _ in 0..5 {
        let client = old.client().await;
        client.get("/").send().await.expect_status(200);
        idle.push(client);
    }
    let gone = idle.pop();
    let _new = upgrade(&old, &upstream).await;
    stopped_listening(&old).await;

    drop(gone);
    for client in &idle {
        // They do not ask all at once.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let answer = client.get("/").send().await;
        answer.expect_status(200).usually(IDLE);
        answer.expect_list("connection", ["close"]);
    }

    old.wait_for_exit()
        .usually("every connection has ended, one way or another: what is still counted?")
        .await
        .expect_code(0);
}

#[tokio::test]
#[cfg_attr(
    not(target_os = "linux"),
    ignore = "Pingora hands sockets over on Linux alone"
)]
async fn no_request_fails_under_load() {
    let upstream = Upstream::always(Reply::text(200, "hello")).await;
    let old = proxy().in_front_of(&upstream).await;
    let load = Load::begin(old.address());

    let _new = upgrade(&old, &upstream).await;
    stopped_listening(&old).await;
    old.wait_for_exit().await.expect_code(0);

    let (count, failures) = load.end().await;
    let first = failures.first();
    expect(
        failures.is_empty(),
        format!(
            "none of {count} requests fails: {} did, the first so: {}",
            failures.len(),
            first.map_or("-", String::as_str)
        ),
    )
    .usually(IDLE);
}

mod given {
    use super::*;

    #[tokio::test]
    #[cfg_attr(
        not(target_os = "linux"),
        ignore = "Pingora hands sockets over on Linux alone"
    )]
    async fn a_slow_download_and_a_slow_upload_are_finished() {
        let upstream = Upstream::always(Reply::pieces(["one", "two"])).await;
        let old = proxy().in_front_of(&upstream).await;
        let mut download = old.get("/").start().await;
        download.expect_piece("one").await;
        let mut upload = old.connect().await;
        let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n";
        upload.send(format!("{head}half")).await;
        upstream.wait_for_requests(2).await;
        let _new = upgrade(&old, &upstream).await;
        stopped_listening(&old).await;

        upstream.release();
        download.finish().await.expect_body("onetwo");
        upload.send("half").await;
        upstream.release();
        let answer = upload.read_response().await;
        answer.expect_body("onetwo");
        answer.expect_list("connection", ["close"]);

        old.wait_for_exit().await.expect_code(0);
    }

    #[tokio::test]
    async fn a_terminated_process_still_drains() {
        let upstream = Upstream::always(Reply::pieces(["one", "two"])).await;
        let proxy = proxy().in_front_of(&upstream).await;
        let mut answer = proxy.get("/").start().await;
        answer.expect_piece("one").await;
        proxy.signal(Signal::SIGTERM);
        proxy.wait_for_log("service 'proxy' exited").await;

        upstream.release();

        answer.finish().await.expect_body("onetwo");
        proxy.wait_for_exit().await.expect_code(0);
    }
}

/// Clients of several kinds, none of which tries anything twice.
struct Load {
    ends: Arc<AtomicBool>,
    clients: JoinSet<(usize, Vec<String>)>,
}

impl Load {
    fn begin(address: SocketAddr) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let mut clients = JoinSet::new();
        // How many, whether a connection serves one request only, and the pause between two requests.
        for (count, once, pause) in [
            (8, false, 1),
            (4, true, 2),
            (8, false, 300),
            (8, false, 2_000),
        ] {
            for _ in 0..count {
                let pause = Duration::from_millis(pause);
                clients.spawn(ask(address, once, pause, Arc::clone(&ends)));
            }
        }
        Self { ends, clients }
    }

    /// How many requests there were, and how those that failed did.
    async fn end(mut self) -> (usize, Vec<String>) {
        self.ends.store(true, Ordering::Relaxed);
        let (mut count, mut failures) = (0, Vec::new());
        while let Some(client) = self.clients.join_next().await {
            let (asked, failed) = client.unwrap_or_default();
            count += asked;
            failures.extend(failed);
        }
        (count, failures)
    }
}

async fn ask(
    address: SocketAddr,
    once: bool,
    pause: Duration,
    ends: Arc<AtomicBool>,
) -> (usize, Vec<String>) {
    let (mut count, mut failures) = (0, Vec::new());
    let mut connection = None;
    loop {
        // One more once all is over: a connection that was lost meanwhile shows.
        let last = ends.load(Ordering::Relaxed);
        count += 1;
        match exchange(address, connection.take()).await {
            Ok(kept) if !once => connection = kept,
            Ok(_) => {}
            Err(error) => failures.push(error.to_string()),
        }
        if last {
            return (count, failures);
        }
        tokio::time::sleep(pause).await;
    }
}

/// One request and its answer. Returns the connection, if the answer keeps it alive.
async fn exchange(address: SocketAddr, kept: Option<TcpStream>) -> io::Result<Option<TcpStream>> {
    let was_kept = kept.is_some();
    let mut stream = match kept {
        Some(stream) => stream,
        None => TcpStream::connect(address).await?,
    };
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nhello") {
        if stream.read_buf(&mut answer).await? == 0 {
            let got = String::from_utf8_lossy(&answer);
            let what =
                format!("the connection ended (kept alive before: {was_kept}) after {got:?}");
            return Err(io::Error::other(what));
        }
    }
    let head = String::from_utf8_lossy(&answer).to_ascii_lowercase();
    Ok((!head.contains("connection: close")).then_some(stream))
}
