//! As much of HTTP/1.1 as it takes to ask for a page and to serve one.

use std::{
    io::{self, Error},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream},
    net::{TcpListener, TcpStream},
};

const ANYWHERE: &str = "127.0.0.1:0";

/// Serves pages that may be stored for an hour, and counts.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    pub(crate) requests: Arc<AtomicUsize>,
}

impl Origin {
    pub(crate) async fn start(size: fn(usize) -> usize) -> io::Result<Self> {
        let listener = TcpListener::bind(ANYWHERE).await?;
        let address = listener.local_addr()?;
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, size, Arc::clone(&counter)));
            }
        });
        Ok(Self { address, requests })
    }
}

async fn serve(
    stream: TcpStream,
    size: fn(usize) -> usize,
    requests: Arc<AtomicUsize>,
) -> io::Result<()> {
    // Without this, the second half of an answer waits until the first is acknowledged.
    stream.set_nodelay(true)?;
    let mut stream = BufStream::new(stream);
    while let Some(page) = page(&read_head(&mut stream).await?) {
        requests.fetch_add(1, Ordering::Relaxed);
        let size = size(page);
        let head = format!(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=3600\r\nContent-Length: {size}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&vec![b'x'; size]).await?;
        stream.flush().await?;
    }
    Ok(())
}

fn page(head: &str) -> Option<usize> {
    let target = head.split(' ').nth(1)?;
    target.strip_prefix('/')?.parse().ok()
}

/// Asks for one page after the other, on one connection.
pub(crate) struct Client(BufStream<TcpStream>);

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> io::Result<Self> {
        Ok(Self(BufStream::new(TcpStream::connect(address).await?)))
    }

    pub(crate) async fn get(&mut self, page: usize) -> io::Result<()> {
        let request = format!("GET /{page} HTTP/1.1\r\nHost: measure\r\n\r\n");
        self.0.write_all(request.as_bytes()).await?;
        self.0.flush().await?;
        let head = read_head(&mut self.0).await?.to_ascii_lowercase();
        let lines = head.lines().skip(1);
        let mut fields = lines.filter_map(|line| line.split_once(": "));
        let length = fields.find(|(name, _)| *name == "content-length");
        let length = length.and_then(|(_, value)| value.parse().ok());
        let length = length.filter(|_| head.starts_with("http/1.1 200"));
        let length = length.ok_or_else(|| Error::other(format!("not a page: {head}")))?;
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await?;
        Ok(())
    }
}

async fn read_head(stream: &mut BufStream<TcpStream>) -> io::Result<String> {
    let mut head = String::new();
    while stream.read_line(&mut head).await? > 2 {}
    Ok(head)
}

/// A port that was free a moment ago.
pub(crate) fn free_address() -> io::Result<SocketAddr> {
    std::net::TcpListener::bind(ANYWHERE)?.local_addr()
}
