//! The bytes of a connection, with TLS or without.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

/// A connection for a client of the check's own, one for HTTP/2 for example. With TLS, the handshake is done.
#[derive(Debug)]
pub struct Stream(Kind);

#[derive(Debug)]
enum Kind {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// The protocol that both sides agreed on in the handshake; `None` without TLS or if there was no such agreement.
    pub fn alpn(&self) -> Option<String> {
        match &self.0 {
            Kind::Plain(_) => None,
            Kind::Tls(stream) => alpn(stream.get_ref().1.alpn_protocol()),
        }
    }

    pub(crate) fn tls(&self) -> Option<&TlsStream<TcpStream>> {
        match &self.0 {
            Kind::Plain(_) => None,
            Kind::Tls(stream) => Some(stream),
        }
    }

    pub(crate) fn tcp(&self) -> &TcpStream {
        match &self.0 {
            Kind::Plain(stream) => stream,
            Kind::Tls(stream) => stream.get_ref().0,
        }
    }
}

/// The agreed protocol in words.
pub(crate) fn alpn(protocol: Option<&[u8]>) -> Option<String> {
    protocol.map(|name| String::from_utf8_lossy(name).into_owned())
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Self(Kind::Plain(stream))
    }
}

impl From<TlsStream<TcpStream>> for Stream {
    fn from(stream: TlsStream<TcpStream>) -> Self {
        Self(Kind::Tls(Box::new(stream)))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Kind::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Kind::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Kind::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Kind::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Kind::Plain(stream) => Pin::new(stream).poll_flush(context),
            Kind::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Kind::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Kind::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
