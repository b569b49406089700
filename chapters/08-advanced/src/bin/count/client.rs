//! One request and its answer over HTTP/1.1. Nothing is tried twice: what does not come is a failure.

use std::{io, path::Path, sync::Arc, time::Duration};

use http::{Uri, uri::Scheme};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};
use tokio_rustls::TlsConnector;

/// Who says nothing for so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// A header that is longer is none.
const MAX_HEADER: usize = 64 * 1024;

pub(crate) trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// Where the requests go.
pub(crate) struct Target {
    address: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// What is asked.
#[derive(Clone, Copy)]
pub(crate) enum Request {
    Small,
    /// Takes two seconds to come.
    SlowDownload,
    /// Takes two seconds to be sent.
    SlowUpload,
}

impl Target {
    pub(crate) fn new(url: &Uri, ca: &Path) -> Result<Self, String> {
        let Some(authority) = url.authority() else {
            return Err(format!("{url} names no server"));
        };
        let https = url.scheme() == Some(&Scheme::HTTPS);
        let port = url.port_u16().unwrap_or(if https { 443 } else { 80 });
        let tls = if https {
            let name = ServerName::try_from(authority.host().to_owned());
            let name = name.map_err(|error| format!("{}: {error}", authority.host()))?;
            Some((connector(ca)?, name))
        } else {
            None
        };
        Ok(Self {
            address: format!("{}:{port}", authority.host()),
            tls,
        })
    }

    async fn connect(&self) -> io::Result<Box<dyn Connection>> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        Ok(match &self.tls {
            Some((connector, name)) => Box::new(connector.connect(name.clone(), stream).await?),
            None => Box::new(stream),
        })
    }

    /// Returns the connection, if the answer keeps it alive.
    pub(crate) async fn exchange(
        &self,
        request: Request,
        kept: Option<Box<dyn Connection>>,
    ) -> io::Result<Option<Box<dyn Connection>>> {
        let mut stream = match kept {
            Some(stream) => stream,
            None => self.connect().await?,
        };
        self.send(request, &mut stream).await?;
        let (header, mut body) = read_header(&mut stream).await?;
        if !header.starts_with("http/1.1 200 ") {
            let line = header.lines().next().unwrap_or_default();
            return Err(io::Error::other(format!("the answer was {line}")));
        }
        while !is_whole(&header, &body)? {
            read_more(&mut stream, &mut body).await?;
        }
        Ok((!header.contains("\r\nconnection: close")).then_some(stream))
    }

    async fn send(&self, request: Request, stream: &mut Box<dyn Connection>) -> io::Result<()> {
        let head = |line: &str, more: &str| {
            format!("{line} HTTP/1.1\r\nHost: {}\r\n{more}\r\n", self.address)
        };
        match request {
            Request::Small => {
                stream
                    .write_all(head("GET /bytes/100", "").as_bytes())
                    .await
            }
            Request::SlowDownload => {
                let line = "GET /drip/20?every=100";
                stream.write_all(head(line, "").as_bytes()).await
            }
            Request::SlowUpload => {
                let head = head("PUT /", "Content-Length: 20000\r\n");
                stream.write_all(head.as_bytes()).await?;
                for _ in 0..20 {
                    sleep(Duration::from_millis(100)).await;
                    stream.write_all(&[b'x'; 1_000]).await?;
                    stream.flush().await?;
                }
                Ok(())
            }
        }?;
        stream.flush().await
    }
}

fn connector(ca: &Path) -> Result<TlsConnector, String> {
    let refuse = |error: &dyn std::fmt::Display| {
        format!(
            "{}: {error}. CERTS names the folder of certificates; cargo run --bin ch08-certificates makes one",
            ca.display()
        )
    };
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(ca).map_err(|error| refuse(&error))?;
    roots.add(authority).map_err(|error| refuse(&error))?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| refuse(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The header in lower case, and what has come of the body.
async fn read_header(stream: &mut Box<dyn Connection>) -> io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        let end = bytes.windows(4).position(|it| it == b"\r\n\r\n");
        if let Some(end) = end {
            let body = bytes.split_off(end + 4);
            let header = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
            return Ok((header, body));
        }
        if bytes.len() > MAX_HEADER {
            return Err(io::Error::other("the header has no end"));
        }
        read_more(stream, &mut bytes).await?;
    }
}

async fn read_more(stream: &mut Box<dyn Connection>, bytes: &mut Vec<u8>) -> io::Result<()> {
    if stream.read_buf(bytes).await? == 0 {
        let got = bytes.len();
        let what = format!("the connection ended after {got} bytes of what was awaited");
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, what));
    }
    Ok(())
}

fn is_whole(header: &str, body: &[u8]) -> io::Result<bool> {
    let mut lines = header.lines();
    if let Some(length) = lines.find_map(|line| line.strip_prefix("content-length: ")) {
        let length: usize = length.parse().map_err(io::Error::other)?;
        return Ok(body.len() >= length);
    }
    Ok(body.ends_with(b"\r\n0\r\n\r\n"))
}
