//! A client and an upstream that speak HTTP/2, both on hyper, which says what went over the wire in so many words.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Request, Response, Version,
    body::{Bytes, Incoming},
    client::conn::http2::SendRequest,
    server::conn::http2,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use lab::{Target, expect, patience};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};

/// A request that arrived at the upstream.
#[derive(Clone, Debug)]
pub(crate) struct Arrived {
    /// The connection on which it came, from 0.
    pub(crate) connection: usize,
    pub(crate) version: Version,
    /// `:authority`.
    pub(crate) authority: String,
    pub(crate) headers: HeaderMap,
}

#[derive(Debug)]
struct Shared {
    arrived: Mutex<Vec<Arrived>>,
    gate: Semaphore,
}

/// An upstream for HTTP/2 with prior knowledge. A request for `/gate` waits for [`Upstream::release`]; every other one
/// is answered with what it sent. Ends with the test's runtime.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let (listener, address) = bound().await;
        let shared = Arc::new(Shared {
            arrived: Mutex::default(),
            gate: Semaphore::new(0),
        });
        tokio::spawn(accept(listener, shared.clone()));
        Self { address, shared }
    }

    pub(crate) fn arrived(&self) -> Vec<Arrived> {
        lock(&self.shared.arrived).clone()
    }

    /// Lets so many of those that wait at the gate go on.
    pub(crate) fn release(&self, count: usize) {
        self.shared.gate.add_permits(count);
    }
}

/// A listener on a free port.
async fn bound() -> (TcpListener, SocketAddr) {
    let bound = TcpListener::bind("127.0.0.1:0").await;
    let bound = bound.and_then(|it| it.local_addr().map(|address| (it, address)));
    expect(bound.is_ok(), "a free port for the upstream");
    bound.unwrap_or_else(|_| std::process::abort())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connection = 0;
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, connection, shared.clone()));
        connection += 1;
    }
}

async fn serve(stream: TcpStream, connection: usize, shared: Arc<Shared>) {
    let service = service_fn(move |request| respond(request, connection, shared.clone()));
    _ = http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn respond(
    request: Request<Incoming>,
    connection: usize,
    shared: Arc<Shared>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let authority = head.uri.authority().map(ToString::to_string);
    lock(&shared.arrived).push(Arrived {
        connection,
        version: head.version,
        authority: authority.unwrap_or_default(),
        headers: head.headers,
    });
    if head.uri.path() == "/gate"
        && let Ok(permit) = shared.gate.acquire().await
    {
        permit.forget();
    }
    let body = body.collect().await.map(|body| body.to_bytes());
    Ok(Response::new(Full::new(body.unwrap_or_default())))
}

/// An HTTP/2 connection to the proxy, without any negotiation: TLS, if there is any, has settled it.
#[derive(Clone)]
pub(crate) struct Client {
    send: SendRequest<Full<Bytes>>,
    authority: &'static str,
}

impl Client {
    /// Connects. That the proxy speaks HTTP/2 there is not known before the first answer.
    pub(crate) async fn open(target: &Target, authority: &'static str) -> Self {
        let stream = TokioIo::new(target.stream().await);
        let opened = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await;
        expect(opened.is_ok(), "a connection that takes an HTTP/2 preface");
        let Ok((send, connection)) = opened else {
            std::process::abort()
        };
        // How it ends shows in the requests.
        tokio::spawn(async { _ = connection.await });
        Self { send, authority }
    }

    /// Sends a request with a body, and reads the answer to its end.
    pub(crate) async fn post(
        &self,
        path: &str,
        body: impl Into<Bytes>,
    ) -> io::Result<Response<Bytes>> {
        let uri = format!("http://{}{path}", self.authority);
        let request = Request::post(uri).body(Full::new(body.into()));
        let request = request.map_err(io::Error::other)?;
        let mut send = self.send.clone();
        timeout(patience(), async {
            send.ready().await.map_err(io::Error::other)?;
            let response = send.send_request(request).await.map_err(io::Error::other)?;
            let (head, body) = response.into_parts();
            let body = body.collect().await.map_err(io::Error::other)?;
            Ok(Response::from_parts(head, body.to_bytes()))
        })
        .await?
    }
}

/// The types of the frames that come back for a request with one more header (RFC 9113, section 6), up to the last of
/// its stream. Byte by byte, since no client library sends a header that HTTP/2 forbids.
pub(crate) async fn frames_after(target: &Target, name: &str, value: &str) -> Vec<u8> {
    let mut stream = target.stream().await;
    let mut block = vec![0x82, 0x86, 0x84]; // GET, http, / in HPACK's table (RFC 7541, appendix A)
    for text in [":authority", "a", name, value] {
        if text == ":authority" || text == name {
            block.push(0); // a literal that is not to be remembered
        }
        block.push(text.len() as u8);
        block.extend_from_slice(text.as_bytes());
    }
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend([0, 0, 0, SETTINGS, 0, 0, 0, 0, 0]);
    bytes.extend([0, 0, block.len() as u8, HEADERS, END_STREAM_AND_HEADERS]);
    bytes.extend([0, 0, 0, 1]);
    bytes.extend(block);
    if stream.write_all(&bytes).await.is_err() {
        return Vec::new();
    }
    let mut types = Vec::new();
    let reading = async {
        loop {
            let mut head = [0; 9];
            stream.read_exact(&mut head).await?;
            let [_, high, low, kind, flags, _, _, _, id] = head;
            let mut payload = vec![0; usize::from(u16::from_be_bytes([high, low]))];
            stream.read_exact(&mut payload).await?;
            if id == 1 && matches!(kind, DATA | HEADERS | RST_STREAM) {
                types.push(kind);
                if kind == RST_STREAM || flags & END_STREAM != 0 {
                    return io::Result::Ok(());
                }
            }
        }
    };
    // That it ends too early shows in what is missing.
    _ = timeout(patience(), reading).await;
    types
}

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const END_STREAM: u8 = 1;
const END_STREAM_AND_HEADERS: u8 = 5;
