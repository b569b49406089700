//! Carries answers out over cleartext HTTP/2, on top of hyper.

use crate::answer::{Answer, Content, Ending};
use crate::h1::logged_status;
use crate::http1::{Framing, MAX_HEAD, Reader};
use crate::paths;
use crate::request::{Received, Request};
use crate::server::{Connection, over};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::io::{self, Cursor};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::time::{sleep, timeout};

const MAX_STREAMS: u32 = 128;
/// A reset drops what is still queued; this lets the half that was promised leave first.
const BEFORE_RESET: Duration = Duration::from_millis(100);

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Takes over a connection whose first bytes are the HTTP/2 preface.
pub(crate) async fn serve<R, W>(reader: Reader<R>, writer: W, connection: Arc<Connection>)
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let (read, buffer) = reader.into_parts();
    let stream = tokio::io::join(Cursor::new(buffer).chain(read), writer);
    let progress = Arc::new(AtomicU64::new(0));
    let service = service_fn(|request| respond(request, connection.clone(), progress.clone()));
    let conversation = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX))
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), service);
    let mut conversation = pin!(conversation);
    tokio::select! {
        _ = conversation.as_mut() => return,
        () = over(&connection, &progress) => {}
    }
    conversation.as_mut().graceful_shutdown();
    let _ = timeout(connection.limits().drain, conversation).await;
}

/// An error resets the stream.
async fn respond(
    request: http::Request<Incoming>,
    connection: Arc<Connection>,
    progress: Arc<AtomicU64>,
) -> io::Result<Response<Body>> {
    let request = receive(request, &connection, &progress).await?;
    let answer = paths::answer(&request, &connection.server);
    request.log(connection.server.name(), logged_status(&answer));
    sleep(answer.delay).await;
    if answer.ending == Ending::Silent {
        return Err(io::Error::other("asked to close without an answer"));
    }
    response(answer, progress)
}

async fn receive(
    request: http::Request<Incoming>,
    connection: &Connection,
    progress: &AtomicU64,
) -> io::Result<Request> {
    let number = connection.next_request();
    let (head, mut incoming) = request.into_parts();
    let mut body = Received::default();
    progress.fetch_add(1, Ordering::Relaxed);
    while let Some(frame) = timeout(connection.limits().progress, incoming.frame()).await? {
        if let Ok(piece) = frame.map_err(io::Error::other)?.into_data() {
            body.add(&piece);
        }
        progress.fetch_add(1, Ordering::Relaxed);
    }
    Ok(Request {
        connection: connection.number,
        number,
        method: head.method.as_str().to_owned(),
        target: head
            .uri
            .path_and_query()
            .map_or("/", |target| target.as_str())
            .to_owned(),
        version: "HTTP/2".to_owned(),
        headers: headers_of(&head),
        body,
    })
}

/// The host of HTTP/2 is a pseudo-header, and stands first.
fn headers_of(head: &http::request::Parts) -> Vec<(String, String)> {
    let authority = head
        .uri
        .authority()
        .map(|authority| (":authority".to_owned(), authority.to_string()));
    let headers = head.headers.iter().map(|(name, value)| {
        (
            name.as_str().to_owned(),
            String::from_utf8_lossy(value.as_bytes()).into_owned(),
        )
    });
    authority.into_iter().chain(headers).collect()
}

fn response(answer: Answer, progress: Arc<AtomicU64>) -> io::Result<Response<Body>> {
    let mut headers = HeaderMap::new();
    // hyper leaves out what belongs to HTTP/1.1 connections (RFC 9113, section 8.2.2).
    for (name, value) in &answer.headers {
        headers.append(
            HeaderName::try_from(name).map_err(io::Error::other)?,
            value.clone(),
        );
    }
    if let Framing::Length(length) = answer.framing {
        headers.insert("content-length", HeaderValue::from(length));
    }
    let Answer {
        status,
        content,
        trailers,
        ending,
        ..
    } = answer;
    let mut response = Response::new(body(Rest {
        content,
        trailers,
        ending,
        progress,
    }));
    *response.status_mut() = http::StatusCode::from_u16(status).map_err(io::Error::other)?;
    *response.headers_mut() = headers;
    Ok(response)
}

/// What is left of an answer after its head.
struct Rest {
    content: Content,
    trailers: Vec<(HeaderName, HeaderValue)>,
    ending: Ending,
    progress: Arc<AtomicU64>,
}

fn body(rest: Rest) -> Body {
    if rest.is_empty() {
        return Empty::new().map_err(|never| match never {}).boxed_unsync();
    }
    let frames = stream::try_unfold(rest, Rest::next_frame);
    StreamBody::new(frames).boxed_unsync()
}

impl Rest {
    fn is_empty(&self) -> bool {
        let nothing = matches!(&self.content, Content::Text(text) if text.is_empty());
        nothing && self.trailers.is_empty() && self.ending != Ending::Cut
    }

    /// In the shape that `try_unfold` wants. An error resets the stream.
    async fn next_frame(mut self) -> io::Result<Option<(Frame<Bytes>, Self)>> {
        self.progress.fetch_add(1, Ordering::Relaxed);
        if let Some((pause, piece)) = self.content.next_piece() {
            sleep(pause).await;
            return Ok(Some((Frame::data(piece), self)));
        }
        if self.ending == Ending::Cut {
            sleep(BEFORE_RESET).await;
            return Err(io::Error::other("asked to cut the body"));
        }
        if self.trailers.is_empty() {
            return Ok(None);
        }
        let trailers = self.trailers.drain(..).collect();
        Ok(Some((Frame::trailers(trailers), self)))
    }
}
