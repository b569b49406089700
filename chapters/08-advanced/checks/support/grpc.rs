//! A gRPC upstream and a client, both on tonic, with a service written by hand: no protoc, nothing generated.

use std::{
    collections::BTreeMap,
    error::Error as _,
    fmt,
    future::pending,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::Stream;
use http::{HeaderMap, uri::PathAndQuery};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::{Body as _, Bytes, Incoming},
    client::conn::http2::SendRequest,
    server::conn::http2,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use lab::{Target, expect, patience};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
    time::timeout,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Request, Response, Status, Streaming,
    body::Body,
    codegen::{BoxFuture, Context, Poll, Service},
    server::StreamingService,
};
use tonic_prost::ProstCodec;

/// `message Text { string text = 1; }`
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Text {
    #[prost(string, tag = "1")]
    pub(crate) text: String,
}

impl Text {
    pub(crate) fn of(text: &str) -> Self {
        Self {
            text: text.to_owned(),
        }
    }
}

/// In bytes: with less, h2 closes a connection on which many small messages wait to be read.
const WINDOW: u32 = 8 * 1024 * 1024;

#[derive(Debug)]
struct Shared {
    calls: Mutex<Vec<HeaderMap>>,
    gone: AtomicUsize,
    gate: Semaphore,
}

/// An upstream with the service `chat.Echo`. Ends with the test's runtime.
///
/// - `Unary` sends the message back; for `nobody` it answers NOT_FOUND.
/// - `Upload` joins all messages.
/// - `Download` sends the message three times, the second and the third after [`Upstream::release`].
/// - `Both` sends every message back as it comes.
/// - `Silent` never answers, and `Stalls` not after its first message.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let (listener, address) = bound().await;
        let shared = Arc::new(Shared {
            calls: Mutex::default(),
            gone: AtomicUsize::new(0),
            gate: Semaphore::new(0),
        });
        tokio::spawn(accept(listener, shared.clone()));
        Self { address, shared }
    }

    /// The headers of the calls that arrived.
    pub(crate) fn calls(&self) -> Vec<HeaderMap> {
        lock(&self.shared.calls).clone()
    }

    /// How many calls were given up while they waited in `Silent` or `Stalls`.
    pub(crate) fn given_up(&self) -> usize {
        self.shared.gone.load(Ordering::Relaxed)
    }

    /// Lets `Download` send its next message.
    pub(crate) fn release(&self) {
        self.shared.gate.add_permits(1);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, shared.clone()));
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(move |request: http::Request<Incoming>| {
        let call = Call {
            method: request.uri().path().to_owned(),
            shared: shared.clone(),
        };
        async move {
            let codec = ProstCodec::<Text, Text>::default();
            let mut server = tonic::server::Grpc::new(codec);
            // The four kinds of calls are one on the wire.
            io::Result::Ok(server.streaming(call, request).await)
        }
    });
    _ = http2::Builder::new(TokioExecutor::new())
        .initial_connection_window_size(WINDOW)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

struct Call {
    method: String,
    shared: Arc<Shared>,
}

type Answers = ReceiverStream<Result<Text, Status>>;

impl StreamingService<Text> for Call {
    type Response = Text;
    type ResponseStream = Answers;
    type Future = BoxFuture<Response<Answers>, Status>;

    fn call(&mut self, request: Request<Streaming<Text>>) -> Self::Future {
        let (method, shared) = (self.method.clone(), self.shared.clone());
        Box::pin(async move {
            let (metadata, _, mut messages) = request.into_parts();
            lock(&shared.calls).push(metadata.into_headers());
            let (answer, answers) = mpsc::channel(1);
            match method.as_str() {
                "/chat.Echo/Silent" => {
                    let _waits = Waits(shared);
                    pending::<()>().await;
                }
                "/chat.Echo/Unary" => {
                    let message = messages.message().await?.unwrap_or_default();
                    if message.text == "nobody" {
                        return Err(Status::not_found("no such room"));
                    }
                    _ = answer.send(Ok(message)).await;
                }
                _ => {
                    tokio::spawn(talk(method, messages, answer, shared));
                }
            }
            Ok(Response::new(ReceiverStream::new(answers)))
        })
    }
}

/// An upstream that accepts connections and never says a word. Ends with the test's runtime.
pub(crate) async fn silent() -> SocketAddr {
    let (listener, address) = bound().await;
    tokio::spawn(async move {
        let mut connections = Vec::new();
        while let Ok(connection) = listener.accept().await {
            connections.push(connection);
        }
    });
    address
}

/// An upstream that hangs up on every connection. Ends with the test's runtime.
pub(crate) async fn hanging_up() -> SocketAddr {
    let (listener, address) = bound().await;
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    address
}

/// A listener on a free port.
async fn bound() -> (TcpListener, SocketAddr) {
    let bound = TcpListener::bind("127.0.0.1:0").await;
    let bound = bound.and_then(|it| it.local_addr().map(|address| (it, address)));
    expect(bound.is_ok(), "a free port for the upstream");
    bound.unwrap_or_else(|_| std::process::abort())
}

/// A call that goes no further; dropped when nobody waits for it any more.
struct Waits(Arc<Shared>);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.gone.fetch_add(1, Ordering::Relaxed);
    }
}

async fn talk(
    method: String,
    mut messages: Streaming<Text>,
    answer: mpsc::Sender<Result<Text, Status>>,
    shared: Arc<Shared>,
) {
    let mut all = String::new();
    let mut rounds = 0;
    while let Ok(Some(message)) = messages.message().await {
        all.push_str(&message.text);
        rounds += 1;
        if method == "/chat.Echo/Both" && answer.send(Ok(message)).await.is_err() {
            return;
        }
        if method != "/chat.Echo/Upload" && method != "/chat.Echo/Both" {
            break;
        }
    }
    let copies = match method.as_str() {
        "/chat.Echo/Download" => 3,
        "/chat.Echo/Both" => 0,
        _ => 1,
    };
    debug_assert!(rounds < 10_000, "no check sends so much");
    for copy in 0..copies {
        if copy > 0
            && let Ok(permit) = shared.gate.acquire().await
        {
            permit.forget();
        }
        _ = answer.send(Ok(Text::of(&all))).await;
    }
    if method == "/chat.Echo/Stalls" {
        let _waits = Waits(shared);
        answer.closed().await;
    }
}

/// One connection of a client, for HTTP/2 with prior knowledge. It sets no limit to any call.
#[derive(Clone)]
pub(crate) struct Client(SendRequest<Body>);

impl Service<http::Request<Body>> for Client {
    type Response = http::Response<Incoming>;
    type Error = hyper::Error;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

/// What came back for a call, as HTTP has it.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) http_status: u16,
    pub(crate) content_type: String,
    /// From the trailers, or from the headers of an answer that has nothing else ("Trailers-Only").
    pub(crate) grpc_status: Option<String>,
    pub(crate) grpc_message: Option<String>,
    pub(crate) body: Bytes,
    /// Why there was no answer, or not all of one.
    pub(crate) broken: Option<String>,
}

impl fmt::Display for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(why) = &self.broken {
            return write!(formatter, "none: {why}");
        }
        write!(formatter, "HTTP status {}", self.http_status)?;
        for (name, value) in [
            ("content-type", Some(&self.content_type)),
            ("grpc-status", self.grpc_status.as_ref()),
            ("grpc-message", self.grpc_message.as_ref()),
        ] {
            match value.filter(|it| !it.is_empty()) {
                Some(value) => write!(formatter, ", {name}: {value}")?,
                None => write!(formatter, ", no {name}")?,
            }
        }
        write!(formatter, ", a body of {} bytes", self.body.len())
    }
}

impl Client {
    pub(crate) async fn open(target: &Target) -> Self {
        let stream = TokioIo::new(target.stream().await);
        let opened = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await;
        expect(opened.is_ok(), "a connection that takes an HTTP/2 preface");
        let Ok((send, connection)) = opened else {
            std::process::abort()
        };
        // How it ends shows in the calls.
        tokio::spawn(async { _ = connection.await });
        Self(send)
    }

    pub(crate) async fn unary(&self, method: &'static str, text: &str) -> Result<Text, Status> {
        let mut grpc = self.grpc().await?;
        let request = Request::new(Text::of(text));
        let call = grpc.unary(request, PathAndQuery::from_static(method), codec());
        in_time(call).await.map(Response::into_inner)
    }

    pub(crate) async fn upload(
        &self,
        method: &'static str,
        texts: impl Stream<Item = Text> + Send + 'static,
    ) -> Result<Text, Status> {
        let mut grpc = self.grpc().await?;
        let request = Request::new(texts);
        let call = grpc.client_streaming(request, PathAndQuery::from_static(method), codec());
        in_time(call).await.map(Response::into_inner)
    }

    pub(crate) async fn download(
        &self,
        method: &'static str,
        text: &str,
    ) -> Result<Streaming<Text>, Status> {
        let mut grpc = self.grpc().await?;
        let request = Request::new(Text::of(text));
        let call = grpc.server_streaming(request, PathAndQuery::from_static(method), codec());
        in_time(call).await.map(Response::into_inner)
    }

    pub(crate) async fn both(
        &self,
        method: &'static str,
        texts: impl Stream<Item = Text> + Send + 'static,
    ) -> Result<Streaming<Text>, Status> {
        let mut grpc = self.grpc().await?;
        let request = Request::new(texts);
        let call = grpc.streaming(request, PathAndQuery::from_static(method), codec());
        in_time(call).await.map(Response::into_inner)
    }

    /// A call with one message, with these headers besides those that gRPC asks for.
    pub(crate) async fn raw(&self, method: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = http::Request::post(format!("http://shop.test{method}"));
        let mut all = BTreeMap::from([("content-type", "application/grpc"), ("te", "trailers")]);
        all.extend(headers.iter().copied());
        for (name, value) in all {
            request = request.header(name, value);
        }
        // Not compressed, 3 bytes: field 1, 1 byte, "x".
        let message = Bytes::from_static(b"\0\0\0\0\x03\x0a\x01x");
        let Ok(request) = request.body(Body::new(Full::new(message))) else {
            return Answer::default();
        };
        let mut send = self.0.clone();
        let exchange = async {
            send.ready().await?;
            let (head, body) = send.send_request(request).await?.into_parts();
            let ended = body.is_end_stream();
            Ok((head, ended, body.collect().await?))
        };
        let exchange: Option<hyper::Result<_>> = timeout(patience(), exchange).await.ok();
        let (head, ended, body) = match exchange {
            Some(Ok(exchange)) => exchange,
            broken => {
                return Answer {
                    broken: Some(match broken {
                        Some(Err(error)) => format!("{error}: {:?}", error.source()),
                        _ => "nothing came while patience lasted".to_owned(),
                    }),
                    ..Answer::default()
                };
            }
        };
        let trailers = body.trailers().cloned().unwrap_or_default();
        let text = |headers: &HeaderMap, name: &str| {
            let value = headers.get(name);
            value.map(|it| String::from_utf8_lossy(it.as_bytes()).into_owned())
        };
        let content_type = text(&head.headers, "content-type").unwrap_or_default();
        // Headers that are not the whole answer are no trailers.
        let trailers = if ended { head.headers } else { trailers };
        let text = |name| text(&trailers, name);
        Answer {
            http_status: head.status.as_u16(),
            content_type,
            grpc_status: text("grpc-status"),
            grpc_message: text("grpc-message"),
            body: body.to_bytes(),
            broken: None,
        }
    }

    async fn grpc(&self) -> Result<tonic::client::Grpc<Self>, Status> {
        let origin = http::Uri::from_static("http://shop.test");
        let mut grpc = tonic::client::Grpc::with_origin(self.clone(), origin);
        let ready = grpc.ready().await;
        ready.map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(grpc)
    }
}

fn codec() -> ProstCodec<Text, Text> {
    ProstCodec::default()
}

/// That nothing came while patience lasted has a status of its own, which no server here sends.
pub(crate) async fn in_time<T>(
    answer: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    let answer = timeout(patience(), answer).await;
    answer.unwrap_or_else(|_| Err(Status::data_loss("nothing came while patience lasted")))
}
