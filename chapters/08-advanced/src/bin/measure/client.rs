//! A client's connection to a proxy, over which requests go.

use std::{net::SocketAddr, path::Path, sync::Arc};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use crate::{
    cases::Protocol,
    certificates::{self, NAME},
};

/// Makes connections of one kind.
pub(crate) struct Connector {
    protocol: Protocol,
    tls: Arc<ClientConfig>,
}

/// One connection. It ends when this is dropped.
pub(crate) enum Connection {
    Http1(http1::SendRequest<Empty<Bytes>>),
    Http2(http2::SendRequest<Empty<Bytes>>),
}

/// Why a request failed.
pub(crate) enum Failure {
    Status(StatusCode),
    Broken(String),
}

impl Connector {
    pub(crate) fn new(folder: &Path, protocol: Protocol) -> Result<Self, String> {
        let tls = Arc::new(certificates::client(folder, protocol)?);
        Ok(Self { protocol, tls })
    }

    pub(crate) async fn connect(&self, to: SocketAddr) -> Result<Connection, String> {
        let say = |error: std::io::Error| format!("cannot connect to {to}: {error}");
        let stream = TcpStream::connect(to).await.map_err(say)?;
        stream.set_nodelay(true).map_err(say)?;
        if self.protocol == Protocol::Http1 {
            return http1(stream).await;
        }
        let name = ServerName::try_from(NAME).map_err(|error| error.to_string())?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let stream = connector.connect(name, stream).await.map_err(say)?;
        match self.protocol {
            Protocol::Http1 | Protocol::Http1Tls => http1(stream).await,
            Protocol::Http2Tls => http2(stream).await,
        }
    }
}

impl Connection {
    /// Sends a request and reads the whole answer.
    pub(crate) async fn get(&mut self, path: &str) -> Result<u64, Failure> {
        let answer = match self {
            Self::Http1(sender) => {
                sender.ready().await.map_err(broken)?;
                sender.send_request(request(path)?).await
            }
            Self::Http2(sender) => {
                let request = request(&format!("https://{NAME}{path}"))?;
                sender.send_request(request).await
            }
        };
        read(answer.map_err(broken)?).await
    }

    /// Another handle of the same connection, where it takes several requests at a time.
    pub(crate) fn share(&self) -> Option<Self> {
        match self {
            Self::Http1(_) => None,
            Self::Http2(sender) => Some(Self::Http2(sender.clone())),
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Status(status) => write!(f, "answered {status}"),
            Self::Broken(why) => f.write_str(why),
        }
    }
}

fn request(target: &str) -> Result<Request<Empty<Bytes>>, Failure> {
    let mut builder = Request::get(target);
    if target.starts_with('/') {
        builder = builder.header("host", NAME);
    }
    builder
        .body(Empty::new())
        .map_err(|error| Failure::Broken(error.to_string()))
}

async fn read(answer: Response<Incoming>) -> Result<u64, Failure> {
    let status = answer.status();
    let mut body = answer.into_body();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(broken)?;
        length += frame.data_ref().map_or(0, |data| data.len() as u64);
    }
    if status == StatusCode::OK {
        Ok(length)
    } else {
        Err(Failure::Status(status))
    }
}

async fn http1<S>(stream: S) -> Result<Connection, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let shaken = http1::handshake(TokioIo::new(stream)).await;
    let (sender, connection) = shaken.map_err(|error| error.to_string())?;
    // Its end shows at the next request.
    tokio::spawn(connection);
    Ok(Connection::Http1(sender))
}

async fn http2<S>(stream: S) -> Result<Connection, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let shaken = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (sender, connection) = shaken.map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    Ok(Connection::Http2(sender))
}

fn broken(error: hyper::Error) -> Failure {
    Failure::Broken(error.to_string())
}
