//! The upstream of all proxies: it answers from memory, in this process, so that no proxy waits for it long and none
//! of its work is counted as a proxy's.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// What `/big` answers, in bytes.
pub(crate) const BIG: usize = 1_024 * 1_024;
const SMALL: &[u8] = b"a small answer\n";

pub(crate) struct Upstream {
    address: SocketAddr,
    accepted: Arc<AtomicU64>,
}

impl Upstream {
    pub(crate) async fn start() -> Result<Self, String> {
        let say = |error: std::io::Error| format!("no upstream: {error}");
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(say)?;
        let address = listener.local_addr().map_err(say)?;
        let accepted = Arc::new(AtomicU64::new(0));
        let big = Bytes::from(vec![b'x'; BIG]);
        tokio::spawn(accept(listener, Arc::clone(&accepted), big));
        Ok(Self { address, accepted })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections it has got so far.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }
}

async fn accept(listener: TcpListener, accepted: Arc<AtomicU64>, big: Bytes) {
    loop {
        // An error is one client's, or there are too many open files: the proxy's answer tells.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        accepted.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(serve(stream, big.clone()));
    }
}

async fn serve(stream: TcpStream, big: Bytes) {
    // Without it an answer may wait for the acknowledgement of the one before.
    _ = stream.set_nodelay(true);
    let service = service_fn(async |request: Request<Incoming>| {
        let body = match request.uri().path() {
            "/big" => big.clone(),
            _ => Bytes::from_static(SMALL),
        };
        Ok::<_, Infallible>(Response::new(Full::new(body)))
    });
    // Its end is the proxy's decision.
    _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
