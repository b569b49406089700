//! Accepts connections, finds out what they speak, and stops gracefully.

use crate::http1::Reader;
use crate::{h1, h2};
use http::HeaderValue;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How every HTTP/2 connection begins (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long and how much a server bears. The default is what the echo server uses.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For the head of a request, from its first byte: 30 s.
    pub head: Duration,
    /// Between two requests: 120 s.
    pub idle: Duration,
    /// Without a byte of progress in a body, or in writing: 60 s.
    pub progress: Duration,
    /// For what is in flight when the server stops: 5 s.
    pub drain: Duration,
    /// Connections at a time; further ones wait in the listener's queue: 4,096.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(30),
            idle: Duration::from_secs(120),
            progress: Duration::from_secs(60),
            drain: Duration::from_secs(5),
            connections: 4096,
        }
    }
}

/// What all connections of a server share.
pub(crate) struct Server {
    name: String,
    header: HeaderValue,
    limits: Limits,
    /// The status that `/health` answers.
    pub(crate) health: AtomicU16,
    /// How long the usual answer waits, in milliseconds.
    pub(crate) slow_ms: AtomicU64,
}

impl Server {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// How long the usual answer waits.
    pub(crate) fn delay(&self) -> Duration {
        Duration::from_millis(self.slow_ms.load(Ordering::Relaxed))
    }

    /// The name as the value of `x-upstream`.
    pub(crate) fn header(&self) -> &HeaderValue {
        &self.header
    }
}

/// One connection: who it is, and when it must end.
pub(crate) struct Connection {
    pub(crate) server: Arc<Server>,
    pub(crate) number: u64,
    requests: AtomicU64,
    stop: watch::Receiver<bool>,
}

impl Connection {
    pub(crate) fn limits(&self) -> &Limits {
        &self.server.limits
    }

    /// The number of the request that begins now, from 1.
    pub(crate) fn next_request(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// Waits until the server stops.
    pub(crate) async fn stopped(&self) {
        // An error means that the server is gone: it has stopped.
        let _ = self.stop.clone().wait_for(|stop| *stop).await;
    }
}

/// Serves HTTP/1.1, HTTP/2 with prior knowledge and WebSocket on the listener until `shutdown` completes. Then it
/// accepts nothing more, finishes what is in flight (5 s at most) and closes idle connections.
///
/// # Errors
/// If the name cannot be a header's value.
pub async fn serve(
    listener: TcpListener,
    name: &str,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    serve_with(Limits::default(), listener, name, shutdown).await
}

/// [`serve`] with other limits.
///
/// # Errors
/// If the name cannot be a header's value.
pub async fn serve_with(
    limits: Limits,
    listener: TcpListener,
    name: &str,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let header = HeaderValue::from_str(name)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let server = Arc::new(Server {
        name: name.to_owned(),
        header,
        limits,
        health: AtomicU16::new(200),
        slow_ms: AtomicU64::new(0),
    });
    let (stop, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    let accepting = accept_all(&listener, &server, &stopped, &mut connections);
    tokio::select! { () = accepting => {}, () = shutdown => {} }
    drop(listener);
    stop.send_replace(true);
    // What is not done by then is aborted when the set is dropped.
    let _ = timeout(limits.drain, async {
        while connections.join_next().await.is_some() {}
    })
    .await;
    Ok(())
}

async fn accept_all(
    listener: &TcpListener,
    server: &Arc<Server>,
    stop: &watch::Receiver<bool>,
    connections: &mut JoinSet<()>,
) {
    let mut number = 0;
    loop {
        let stream = tokio::select! {
            accepted = listener.accept(), if connections.len() < server.limits.connections => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match stream {
            Ok((stream, _)) => {
                number += 1;
                let (server, stop) = (server.clone(), stop.clone());
                let connection = Connection {
                    server,
                    number,
                    requests: AtomicU64::new(0),
                    stop,
                };
                connections.spawn(converse(stream, connection));
            }
            Err(error) => {
                // Out of file descriptors, most likely: at once would be a busy loop.
                log::warn!(target: "upstreams", "{} cannot accept a connection: {error}", server.name);
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn converse(stream: TcpStream, connection: Connection) {
    // A failure here means that the peer is gone already; reading will say so.
    let _ = stream.set_nodelay(true);
    let (read, write) = stream.into_split();
    let mut reader = Reader::new(read);
    if !next_request(&mut reader, &connection).await {
        return;
    }
    match timeout(connection.limits().head, reader.starts_with(PREFACE)).await {
        Ok(Ok(true)) => h2::serve(reader, write, Arc::new(connection)).await,
        Ok(Ok(false)) => h1::serve(reader, write, &connection).await,
        Ok(Err(_)) | Err(_) => {}
    }
}

/// Waits for the first byte of a request. `false`: there will be none.
pub(crate) async fn next_request<R>(reader: &mut Reader<R>, connection: &Connection) -> bool
where
    R: tokio::io::AsyncRead + Unpin,
{
    tokio::select! {
        // A request that is here already is answered, also when the server stops.
        biased;
        more = timeout(connection.limits().idle, reader.wait()) => matches!(more, Ok(Ok(true))),
        () = connection.stopped() => false,
    }
}

/// Watches a connection whose protocol is in other hands: comes back when the server stops, or when `progress` stood
/// still for `idle`. It looks twice in that time, so it may take half as long again.
pub(crate) async fn over(connection: &Connection, progress: &AtomicU64) {
    let quiet = async {
        let mut still = 0;
        let mut last = progress.load(Ordering::Relaxed);
        while still < 2 {
            sleep(connection.limits().idle / 2).await;
            let now = progress.load(Ordering::Relaxed);
            still = if now == last { still + 1 } else { 0 };
            last = now;
        }
    };
    tokio::select! { () = quiet => {}, () = connection.stopped() => {} }
}
