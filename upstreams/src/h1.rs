//! Carries answers out over HTTP/1.1.

use crate::answer::{Answer, Ending};
use crate::http1::{Framing, Head, ReadError, Reader};
use crate::paths;
use crate::request::{Received, Request};
use crate::server::{Connection, next_request};
use crate::websocket;
use bytes::{Buf, BufMut, BytesMut};
use http::StatusCode;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{sleep, timeout};

/// How long a connection that the server closes is still read, so that the answer is not lost (RFC 9112, section 9.6).
const LINGER: Duration = Duration::from_secs(1);
/// As much is gathered before it is written.
const WRITE_SIZE: usize = 16 * 1024;

/// What becomes of the connection after an exchange.
enum Next {
    Request,
    Close,
    WebSocket,
}

/// Why a request gets no answer from `paths`.
struct Refusal {
    /// `None`: nobody is there to be answered.
    status: Option<u16>,
    reason: String,
}

/// The connection and the head of a request, as far as the answer's framing depends on it.
struct Terms {
    old: bool,
    head_only: bool,
    keep_alive: bool,
}

pub(crate) async fn serve<R, W>(mut reader: Reader<R>, writer: W, connection: &Connection)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut out = Out {
        writer,
        buffer: BytesMut::new(),
        patience: connection.limits().progress,
    };
    while next_request(&mut reader, connection).await {
        match exchange(&mut reader, &mut out, connection).await {
            Ok(Next::Request) => {}
            Ok(Next::Close) => break,
            Ok(Next::WebSocket) => return websocket::echo(reader, out.writer, connection).await,
            Err(_) => return,
        }
    }
    linger(reader, out.writer).await;
}

/// One request and its answer.
async fn exchange<R, W>(
    reader: &mut Reader<R>,
    out: &mut Out<W>,
    connection: &Connection,
) -> io::Result<Next>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let number = connection.next_request();
    let (request, keep_alive) = match receive(reader, out, connection, number).await {
        Ok(received) => received,
        Err(refusal) => return refuse(refusal, out, connection, number).await,
    };
    let answer = paths::answer(&request, &connection.server);
    let terms = Terms {
        old: request.version == "HTTP/1.0",
        head_only: request.method == "HEAD",
        keep_alive: keep_alive && !connection.stopping(),
    };
    request.log(connection.server.name(), logged_status(&answer));
    out.answer(answer, &terms).await
}

pub(crate) fn logged_status(answer: &Answer) -> String {
    if answer.ending == Ending::Silent {
        "-".to_owned()
    } else {
        answer.status.to_string()
    }
}

/// Reads a request to its end, and whether the client wants to keep the connection.
async fn receive<R, W>(
    reader: &mut Reader<R>,
    out: &mut Out<W>,
    connection: &Connection,
    number: u64,
) -> Result<(Request, bool), Refusal>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let limits = connection.limits();
    let head = within(limits.head, reader.head()).await?;
    let head = head.ok_or(ReadError::Closed)?;
    check_host(&head)?;
    let framing = head.framing().map_err(ReadError::from)?;
    if head.expects_continue() && !matches!(framing, Framing::None | Framing::Length(0)) {
        out.buffer.put_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        out.flush().await.map_err(ReadError::from)?;
    }
    let mut body = Received::default();
    while let Some(piece) = within(limits.progress, reader.body_piece()).await? {
        body.add(&piece);
    }
    let keep_alive = head.keep_alive();
    let Head {
        method,
        target,
        version,
        headers,
        ..
    } = head;
    let connection = connection.number;
    Ok((
        Request {
            connection,
            number,
            method,
            target,
            version,
            headers,
            body,
        },
        keep_alive,
    ))
}

async fn within<T>(
    limit: Duration,
    read: impl Future<Output = Result<T, ReadError>>,
) -> Result<T, Refusal> {
    match timeout(limit, read).await {
        Ok(read) => Ok(read?),
        Err(_) => Err(Refusal {
            status: Some(408),
            reason: format!("nothing complete within {limit:?}"),
        }),
    }
}

/// A request has one `Host`; only HTTP/1.0 may do without (RFC 9112, section 3.2).
fn check_host(head: &Head) -> Result<(), Refusal> {
    match head.header_all("host").count() {
        1 => Ok(()),
        0 if head.version == "HTTP/1.0" => Ok(()),
        _ => Err(Refusal {
            status: Some(400),
            reason: "malformed request: not exactly one Host header".to_owned(),
        }),
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        Self {
            status: error.status(),
            reason: error.to_string(),
        }
    }
}

/// Nobody knows where the next request would begin, so the connection ends with this answer.
async fn refuse<W>(
    refusal: Refusal,
    out: &mut Out<W>,
    connection: &Connection,
    number: u64,
) -> io::Result<Next>
where
    W: AsyncWrite + Unpin,
{
    let Refusal { status, reason } = refusal;
    let shown = status.map_or("-".to_owned(), |status| status.to_string());
    let server = &connection.server;
    log::info!(
        target: "upstreams",
        "{} connection={} request={number} - - {shown} {reason}",
        server.name(),
        connection.number
    );
    let Some(status) = status else {
        return Ok(Next::Close);
    };
    let answer = Answer::text(status, format!("{reason}\n")).finish("", server.header());
    out.answer(
        answer,
        &Terms {
            old: false,
            head_only: false,
            keep_alive: false,
        },
    )
    .await
}

/// Says that nothing more comes, and reads until the peer has understood: bytes that arrive at a closed socket would
/// reset the connection, and the peer could lose the answer.
async fn linger<R, W>(reader: Reader<R>, mut writer: W)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (mut stream, _) = reader.into_parts();
    let mut dropped = [0; 4096];
    let drain = async { while matches!(stream.read(&mut dropped).await, Ok(1..)) {} };
    if writer.shutdown().await.is_ok() {
        let _ = timeout(LINGER, drain).await;
    }
}

/// The writing half.
struct Out<W> {
    writer: W,
    buffer: BytesMut,
    /// How long not a byte may go out.
    patience: Duration,
}

impl<W: AsyncWrite + Unpin> Out<W> {
    async fn answer(&mut self, answer: Answer, terms: &Terms) -> io::Result<Next> {
        sleep(answer.delay).await;
        if answer.ending == Ending::Silent {
            return Ok(Next::Close);
        }
        // HTTP/1.0 knows no chunks: the body ends with the connection (RFC 9112, section 6.1).
        let until_close = terms.old && answer.framing == Framing::Chunked;
        let close = until_close || !terms.keep_alive || answer.ending == Ending::Cut;
        let chunked = answer.framing == Framing::Chunked && !until_close;
        self.head(&answer, chunked, close, terms.old);
        if answer.ending == Ending::WebSocket {
            self.flush().await?;
            return Ok(Next::WebSocket);
        }
        if !terms.head_only {
            self.content(answer, chunked).await?;
        }
        self.flush().await?;
        Ok(if close { Next::Close } else { Next::Request })
    }

    fn head(&mut self, answer: &Answer, chunked: bool, close: bool, old: bool) {
        let reason = StatusCode::from_u16(answer.status)
            .ok()
            .and_then(|status| status.canonical_reason());
        self.put(&format!(
            "HTTP/1.1 {} {}\r\n",
            answer.status,
            reason.unwrap_or_default()
        ));
        for (name, value) in &answer.headers {
            self.put(&format!("{name}: "));
            self.buffer.put_slice(value.as_bytes());
            self.put("\r\n");
        }
        match answer.framing {
            Framing::Length(length) => self.put(&format!("content-length: {length}\r\n")),
            Framing::Chunked if chunked => self.put("transfer-encoding: chunked\r\n"),
            Framing::Chunked | Framing::None => {}
        }
        for (name, _) in answer.trailers.iter().filter(|_| chunked) {
            self.put(&format!("trailer: {name}\r\n"));
        }
        self.put(connection_header(answer, close, old));
        self.put("\r\n");
    }

    async fn content(&mut self, mut answer: Answer, chunked: bool) -> io::Result<()> {
        while let Some((pause, piece)) = answer.content.next_piece() {
            if !pause.is_zero() {
                self.flush().await?;
                sleep(pause).await;
            }
            if chunked {
                self.put(&format!("{:x}\r\n", piece.len()));
            }
            self.buffer.put_slice(&piece);
            if chunked {
                self.put("\r\n");
            }
            if self.buffer.len() >= WRITE_SIZE {
                self.flush().await?;
            }
        }
        if chunked {
            self.put("0\r\n");
            for (name, value) in &answer.trailers {
                self.put(&format!("{name}: "));
                self.buffer.put_slice(value.as_bytes());
                self.put("\r\n");
            }
            self.put("\r\n");
        }
        Ok(())
    }

    fn put(&mut self, text: &str) {
        self.buffer.put_slice(text.as_bytes());
    }

    async fn flush(&mut self) -> io::Result<()> {
        while self.buffer.has_remaining() {
            match timeout(self.patience, self.writer.write_buf(&mut self.buffer)).await {
                Ok(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => written?,
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
            };
        }
        Ok(())
    }
}

fn connection_header(answer: &Answer, close: bool, old: bool) -> &'static str {
    let upgrade = answer.headers.iter().any(|(name, _)| name == "upgrade");
    match (upgrade, close) {
        _ if answer.ending == Ending::WebSocket => "connection: upgrade\r\n",
        (true, true) => "connection: upgrade, close\r\n",
        (true, false) => "connection: upgrade\r\n",
        (false, true) => "connection: close\r\n",
        // HTTP/1.0 closes unless told otherwise.
        (false, false) if old => "connection: keep-alive\r\n",
        (false, false) => "",
    }
}
