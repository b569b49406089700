//! Keeps the Date that the origin gave (RFC 9110, section 6.6.1).
//!
//! The last thing that Pingora does to an answer is to write the present time into its Date (pingora-core,
//! protocols/http/v1/server.rs, `prepare_response_header`), and nothing switches that off. A cache that computes a
//! lifetime from Expires and Date would be wrong then. So a field with a name that nobody else knows carries the date
//! past that place, and between Pingora and the connection it takes the place of the wrong one.

use std::{
    hash::{BuildHasher, RandomState},
    io,
    pin::Pin,
    sync::{Arc, LazyLock},
    task::{Context, Poll, ready},
    time::Duration,
};

use async_trait::async_trait;
use http::header;
use pingora::{
    Result,
    apps::ServerApp,
    http::ResponseHeader,
    protocols::{
        ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
        Stream, TimingDigest, UniqueID, UniqueIDType, raw_connect::ProxyDigest, tls::SslDigest,
    },
    server::ShutdownWatch,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// New in each process, so that no upstream can write it.
static MARK: LazyLock<String> =
    LazyLock::new(|| format!("x-date-{:016x}", RandomState::new().hash_one(0)));

/// Marks the date of an answer as the one to be sent.
pub(crate) fn keep(response: &mut ResponseHeader) -> Result<()> {
    match response.headers.get(header::DATE).cloned() {
        Some(date) => response.insert_header(MARK.as_str(), date),
        None => Ok(()),
    }
}

/// A proxy whose connections put the date back.
pub(crate) struct KeepsDate<A>(pub(crate) Arc<A>);

#[async_trait]
impl<A: ServerApp + Send + Sync + 'static> ServerApp for KeepsDate<A> {
    async fn process_new(
        self: &Arc<Self>,
        stream: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        let dated = Dated {
            stream,
            rewritten: None,
        };
        self.0.process_new(Box::new(dated), shutdown).await
    }

    async fn cleanup(&self) {
        self.0.cleanup().await;
    }
}

/// A client's connection.
#[derive(Debug)]
struct Dated {
    stream: Stream,
    rewritten: Option<Rewritten>,
}

/// A head on its way out.
#[derive(Debug)]
struct Rewritten {
    bytes: Vec<u8>,
    written: usize,
    /// How many bytes of Pingora's it stands for.
    of: usize,
}

/// The head with the marked date in place of the other; `None` if this is no head, or has no mark.
fn rewrite(bytes: &[u8]) -> Option<Vec<u8>> {
    if !bytes.starts_with(b"HTTP/1.") {
        return None;
    }
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    // With the first line break of the two, which ends the last line.
    let (head, rest) = bytes.split_at_checked(end + 2)?;
    let lines = || head.split_inclusive(|byte| *byte == b'\n');
    let value = |line: &[u8], name: &str| -> Option<Vec<u8>> {
        let (before, after) = line.split_at_checked(name.len())?;
        let same = before.eq_ignore_ascii_case(name.as_bytes()) && after.starts_with(b": ");
        same.then(|| after.to_owned())
    };
    let date = lines().find_map(|line| value(line, &MARK))?;
    let mut rewritten = Vec::with_capacity(bytes.len());
    for line in lines().filter(|line| value(line, &MARK).is_none()) {
        match value(line, "date") {
            Some(_) => rewritten.extend_from_slice(&[b"Date", date.as_slice()].concat()),
            None => rewritten.extend_from_slice(line),
        }
    }
    rewritten.extend_from_slice(rest);
    Some(rewritten)
}

impl Dated {
    /// Writes what is left of a head; how much of Pingora's bytes that was, when it is all out.
    fn poll_rewritten(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        while let Some(head) = &mut self.rewritten {
            let rest = head.bytes.get(head.written..).unwrap_or_default();
            if rest.is_empty() {
                let of = head.of;
                self.rewritten = None;
                return Poll::Ready(Ok(of));
            }
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => head.written += count,
            }
        }
        Poll::Ready(Ok(0))
    }
}

impl AsyncWrite for Dated {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.rewritten.is_none() {
            let Some(head) = rewrite(bytes) else {
                return Pin::new(&mut self.stream).poll_write(cx, bytes);
            };
            self.rewritten = Some(Rewritten {
                bytes: head,
                written: 0,
                of: bytes.len(),
            });
        }
        // Who was told to wait asks again with the same bytes.
        self.poll_rewritten(cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl AsyncRead for Dated {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

// What Pingora wants to know of a connection, the one below answers.

#[async_trait]
impl Shutdown for Dated {
    async fn shutdown(&mut self) {
        self.stream.shutdown().await;
    }
}

impl UniqueID for Dated {
    fn id(&self) -> UniqueIDType {
        self.stream.id()
    }
}

impl Ssl for Dated {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.stream.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.stream.selected_alpn_proto()
    }
}

#[async_trait]
impl Peek for Dated {
    async fn try_peek(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        self.stream.try_peek(buffer).await
    }
}

impl GetTimingDigest for Dated {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.stream.get_timing_digest()
    }

    fn get_read_pending_time(&self) -> Duration {
        self.stream.get_read_pending_time()
    }

    fn get_write_pending_time(&self) -> Duration {
        self.stream.get_write_pending_time()
    }
}

impl GetProxyDigest for Dated {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.stream.get_proxy_digest()
    }
}

impl GetSocketDigest for Dated {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.stream.get_socket_digest()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_takes_the_place_of_the_date() {
        let head =
            |fields: &str| format!("HTTP/1.1 200 OK\r\n{fields}\r\nDate: now\r\nA: b\r\n\r\nbody");
        let marked = head(&format!("{}: then", *MARK));
        let wanted = "HTTP/1.1 200 OK\r\nDate: then\r\nA: b\r\n\r\nbody";
        assert_eq!(rewrite(marked.as_bytes()).unwrap(), wanted.as_bytes());
        assert_eq!(rewrite(head("X: y").as_bytes()), None);
        assert_eq!(rewrite(b"a body, or a part of one"), None);
    }
}
