//! A server in this process and a client that sends bytes as they are written.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use upstreams::Limits;

/// Longer than anything takes on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn patiently<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("{what}: nothing for {PATIENCE:?}"))
}

/// Its name is `a`.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<io::Result<()>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        // A loaded machine may need more than the 5 s that a stop takes at most.
        Self::with(Limits {
            drain: PATIENCE,
            ..Limits::default()
        })
        .await
    }

    pub(crate) async fn with(limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let shutdown = async { stopped.await.unwrap_or(()) };
            upstreams::serve_with(limits, listener, "a", shutdown).await
        });
        Self {
            address,
            stop,
            task,
        }
    }

    /// Asks the server to stop; comes back at once.
    pub(crate) fn stop(self) -> JoinHandle<io::Result<()>> {
        self.stop.send(()).unwrap();
        self.task
    }

    pub(crate) async fn connect(&self) -> Wire {
        Wire {
            stream: TcpStream::connect(self.address).await.unwrap(),
            buffer: Vec::new(),
        }
    }

    /// The answer to a GET on a connection of its own.
    pub(crate) async fn get(&self, target: &str) -> Response {
        self.ask("GET", target).await
    }

    pub(crate) async fn ask(&self, method: &str, target: &str) -> Response {
        self.exchange(&format!(
            "{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        ))
        .await
    }

    /// Everything that comes back for these bytes, as one response.
    pub(crate) async fn exchange(&self, request: impl AsRef<[u8]>) -> Response {
        let mut wire = self.connect().await;
        wire.send(request).await;
        Response::parse(&wire.rest().await)
    }
}

/// A connection as it is.
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
}

impl Wire {
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        patiently("send", self.stream.write_all(bytes.as_ref()))
            .await
            .unwrap();
    }

    /// Everything until the server closes.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.buffer);
        patiently("read to the end", self.stream.read_to_end(&mut bytes))
            .await
            .unwrap();
        bytes
    }

    /// Everything up to and with these bytes.
    pub(crate) async fn until(&mut self, end: &str) -> String {
        loop {
            let found = self
                .buffer
                .windows(end.len())
                .position(|window| window == end.as_bytes());
            if let Some(position) = found {
                let taken: Vec<u8> = self.buffer.drain(..position + end.len()).collect();
                return String::from_utf8_lossy(&taken).into_owned();
            }
            let read = patiently(end, self.stream.read_buf(&mut self.buffer))
                .await
                .unwrap();
            assert!(
                read > 0,
                "closed before {end:?}: {:?}",
                String::from_utf8_lossy(&self.buffer)
            );
        }
    }

    /// One response with a `Content-Length`.
    pub(crate) async fn response(&mut self) -> Response {
        let head = self.until("\r\n\r\n").await;
        let mut response = Response::parse(head.as_bytes());
        let length: usize = response.header("content-length").unwrap().parse().unwrap();
        while self.buffer.len() < length {
            let read = patiently("body", self.stream.read_buf(&mut self.buffer))
                .await
                .unwrap();
            assert!(read > 0, "closed in the body");
        }
        response.body = self.buffer.drain(..length).collect();
        response
    }
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    /// What follows the head, with its framing.
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut headers);
        let parsed = response.parse(bytes).unwrap();
        assert!(
            parsed.is_complete(),
            "no whole head: {:?}",
            String::from_utf8_lossy(bytes)
        );
        let owned = |header: &httparse::Header<'_>| {
            (
                header.name.to_owned(),
                String::from_utf8_lossy(header.value).into_owned(),
            )
        };
        Self {
            status: response.code.unwrap(),
            headers: response.headers.iter().map(owned).collect(),
            body: bytes[parsed.unwrap()..].to_vec(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.header_all(name).first().copied()
    }

    pub(crate) fn header_all(&self, name: &str) -> Vec<&str> {
        let headers = self
            .headers
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name));
        headers.map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The body of a chunked answer, and what stands behind the last chunk.
    pub(crate) fn unchunked(&self) -> (Vec<u8>, String) {
        assert_eq!(self.header("transfer-encoding"), Some("chunked"));
        let (mut body, mut rest) = (Vec::new(), self.body.as_slice());
        loop {
            let end = rest
                .windows(2)
                .position(|window| window == b"\r\n")
                .unwrap();
            let size =
                usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
            rest = &rest[end + 2..];
            if size == 0 {
                return (body, String::from_utf8(rest.to_vec()).unwrap());
            }
            body.extend_from_slice(&rest[..size]);
            assert_eq!(&rest[size..size + 2], b"\r\n");
            rest = &rest[size + 2..];
        }
    }
}
