//! Reads answers as they came over the wire, broken ones included: what went wrong is an outcome, not an error.

use crate::condition::{patience, within_words};
use crate::message::count_bytes;
use crate::stream::Stream;
use bytes::{Buf, Bytes, BytesMut};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, ReadHalf};
use tokio::time::timeout;

/// More header lines than any answer of a check has.
const MAX_HEADERS: usize = 256;
/// A head that is longer is no head, in bytes. Chunk sizes and trailers have the same bound.
const MAX_HEAD: usize = 256 * 1024;
/// How much the buffer grows at a time.
const READ_SIZE: usize = 16 * 1024;
/// A peer that closes is seen within this time; what happens later is another observation.
const GLANCE: Duration = Duration::from_millis(50);

/// Why there is no answer, or only a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// No connection came about.
    NoConnection(String),
    /// Closed before the first byte.
    Closed,
    /// Reset by the peer.
    Reset,
    /// TLS failed, on one side or the other.
    Tls(String),
    /// Closed in the middle, which is described.
    Cut(String),
    /// Not HTTP, or contradictory.
    Malformed(String),
    /// Patience, which was this long, ran out.
    Nothing(Duration),
}

impl Broken {
    /// In words, as the sight of a client.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::NoConnection(why) => format!("no connection: {why}"),
            Self::Closed => "the connection was closed".to_owned(),
            Self::Reset => "the connection was reset".to_owned(),
            Self::Tls(why) => format!("no TLS connection: {why}"),
            Self::Cut(place) => format!("the connection was closed {place}"),
            Self::Malformed(what) => format!("not HTTP: {what}"),
            Self::Nothing(patience) => format!("no answer {}", within_words(*patience)),
        }
    }

    pub(crate) fn from_connect(error: &io::Error) -> Self {
        Self::NoConnection(match error.kind() {
            io::ErrorKind::ConnectionRefused => "refused, nobody listens there".to_owned(),
            _ => error.to_string(),
        })
    }

    pub(crate) fn from_reading(error: &io::Error) -> Self {
        match error.get_ref().and_then(|it| it.downcast_ref()) {
            Some(error) => Self::from_tls(error),
            // With TLS, an end that was not announced.
            None if error.kind() == io::ErrorKind::UnexpectedEof => Self::Closed,
            None => Self::Reset,
        }
    }

    fn from_tls(error: &rustls::Error) -> Self {
        Self::Tls(match error {
            rustls::Error::AlertReceived(alert) => format!("the server sent the alert {alert:?}"),
            other => format!("the client refused: {other}"),
        })
    }
}

/// The head of an answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// The status line.
    pub(crate) first_line: String,
    /// Names in the spelling received.
    pub(crate) headers: Fields,
    /// The status codes of the informational answers before it.
    pub(crate) informational: Vec<u16>,
}

/// Where in the body of an answer the reader stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    Done,
    /// Of so many bytes, so many are left.
    Length {
        all: u64,
        left: u64,
    },
    ChunkSize,
    Chunk {
        left: u64,
    },
    ChunkEnd,
    Trailers,
    UntilClose,
}

/// Reads answers, one after the other. Every method may be cancelled and called again.
#[derive(Debug)]
pub(crate) struct AnswerReader {
    stream: ReadHalf<Stream>,
    buffer: BytesMut,
    body: Body,
    /// How long one read may take.
    pub(crate) patience: Duration,
    pub(crate) trailers: Fields,
}

impl AnswerReader {
    pub(crate) fn new(stream: ReadHalf<Stream>) -> Self {
        Self {
            stream,
            buffer: BytesMut::new(),
            body: Body::Done,
            patience: patience(),
            trailers: Vec::new(),
        }
    }

    /// The head of the final answer to a request with this method (RFC 9112, section 6.3).
    pub(crate) async fn head(&mut self, method: &str) -> Result<Head, Broken> {
        self.trailers.clear();
        let mut informational = Vec::new();
        loop {
            let mut head = self.one_head().await?;
            if (100..200).contains(&head.status) && head.status != 101 {
                informational.push(head.status);
                continue;
            }
            self.body = body_of(&head, method)?;
            head.informational = informational;
            return Ok(head);
        }
    }

    /// The next piece of the body as it arrives, of so many bytes at most; `None` at its end.
    pub(crate) async fn piece(&mut self, most: u64) -> Result<Option<Bytes>, Broken> {
        loop {
            self.body = match self.body {
                Body::Done | Body::Length { left: 0, .. } => return Ok(None),
                Body::Length { all, left } => {
                    let place = || {
                        let seen = all - left;
                        format!("after {seen} of {all} bytes of the body")
                    };
                    let piece = self
                        .up_to(left.min(most))
                        .await
                        .map_err(|it| cut(it, place))?;
                    let left = left - piece.len() as u64;
                    self.body = Body::Length { all, left };
                    return Ok(Some(piece));
                }
                Body::UntilClose => {
                    return match self.up_to(most).await {
                        Ok(piece) => Ok(Some(piece)),
                        Err(Broken::Closed) => Ok(None),
                        Err(broken) => Err(broken),
                    };
                }
                Body::ChunkSize => match self.block(chunk_size).await.map_err(in_chunks)? {
                    0 => Body::Trailers,
                    left => Body::Chunk { left },
                },
                Body::Chunk { left: 0 } => Body::ChunkEnd,
                Body::Chunk { left } => {
                    let piece = self.up_to(left.min(most)).await.map_err(in_chunks)?;
                    let left = left - piece.len() as u64;
                    self.body = Body::Chunk { left };
                    return Ok(Some(piece));
                }
                Body::ChunkEnd => {
                    self.block(line_break).await.map_err(in_chunks)?;
                    Body::ChunkSize
                }
                Body::Trailers => {
                    self.trailers = self.block(trailers).await.map_err(in_chunks)?;
                    Body::Done
                }
            };
        }
    }

    /// Up to so many bytes, one at least.
    pub(crate) async fn up_to(&mut self, most: u64) -> Result<Bytes, Broken> {
        if self.buffer.is_empty() {
            self.read_more().await?;
        }
        let length = usize::try_from(most).unwrap_or(usize::MAX);
        Ok(self.buffer.split_to(length.min(self.buffer.len())).freeze())
    }

    /// Whether the peer has not closed as far as can be seen.
    pub(crate) async fn is_open(&mut self) -> bool {
        loop {
            match timeout(GLANCE, self.stream.read_buf(&mut self.buffer)).await {
                Ok(Ok(1..)) => {}
                Ok(_) => return false,
                Err(_) => return true,
            }
        }
    }

    async fn one_head(&mut self) -> Result<Head, Broken> {
        let head = self.block(parse_head).await;
        head.map_err(|it| match it {
            Broken::Closed if self.buffer.is_empty() => Broken::Closed,
            other => cut(other, || "in the middle of the head".to_owned()),
        })
    }

    /// Reads until `parse` finds a whole block at the start of the buffer.
    async fn block<T>(&mut self, parse: Parse<T>) -> Result<T, Broken> {
        loop {
            if let Some((length, block)) = parse(&self.buffer)? {
                self.buffer.advance(length);
                return Ok(block);
            }
            if self.buffer.len() > MAX_HEAD {
                let what = format!("no end of a head in {}", count_bytes(MAX_HEAD));
                return Err(Broken::Malformed(what));
            }
            self.read_more().await?;
        }
    }

    async fn read_more(&mut self) -> Result<(), Broken> {
        self.buffer.reserve(READ_SIZE);
        match timeout(self.patience, self.stream.read_buf(&mut self.buffer)).await {
            Err(_) => Err(Broken::Nothing(self.patience)),
            Ok(Ok(0)) => Err(Broken::Closed),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(Broken::from_reading(&error)),
        }
    }
}

/// A parser of what stands at the start of the bytes: how many it took, and what it read; `None` if more must come.
type Parse<T> = fn(&[u8]) -> Parsed<T>;
type Parsed<T> = Result<Option<(usize, T)>, Broken>;

/// Names and values.
type Fields = Vec<(String, String)>;

fn parse_head(bytes: &[u8]) -> Parsed<Head> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let parsed = response.parse(bytes).map_err(|it| malformed(it, bytes))?;
    let httparse::Status::Complete(length) = parsed else {
        return Ok(None);
    };
    let line_end = bytes
        .iter()
        .position(|&byte| byte == b'\r' || byte == b'\n');
    let first_line = bytes.get(..line_end.unwrap_or(length)).unwrap_or(bytes);
    let head = Head {
        status: response.code.unwrap_or_default(),
        first_line: String::from_utf8_lossy(first_line).into_owned(),
        headers: owned(response.headers),
        informational: Vec::new(),
    };
    Ok(Some((length, head)))
}

fn chunk_size(bytes: &[u8]) -> Parsed<u64> {
    match httparse::parse_chunk_size(bytes) {
        Ok(httparse::Status::Complete((length, size))) => Ok(Some((length, size))),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(_) => Err(malformed("a chunk without a size", bytes)),
    }
}

fn line_break(bytes: &[u8]) -> Parsed<()> {
    match bytes {
        [b'\r', b'\n', ..] => Ok(Some((2, ()))),
        [] | [b'\r'] => Ok(None),
        _ => Err(malformed("a chunk longer than its size", bytes)),
    }
}

fn trailers(bytes: &[u8]) -> Parsed<Fields> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    match httparse::parse_headers(bytes, &mut headers) {
        Ok(httparse::Status::Complete((length, headers))) => Ok(Some((length, owned(headers)))),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(error) => Err(malformed(error, bytes)),
    }
}

fn owned(headers: &[httparse::Header]) -> Fields {
    let pair = |header: &httparse::Header| {
        let value = String::from_utf8_lossy(header.value).into_owned();
        (header.name.to_owned(), value)
    };
    headers.iter().map(pair).collect()
}

/// How the body of an answer is delimited (RFC 9112, section 6.3).
fn body_of(head: &Head, method: &str) -> Result<Body, Broken> {
    if method == "HEAD" || matches!(head.status, 101 | 204 | 304) {
        return Ok(Body::Done);
    }
    if method == "CONNECT" && (200..300).contains(&head.status) {
        return Ok(Body::Done);
    }
    let codings = crate::headers::all(&head.headers, "transfer-encoding");
    let lengths = crate::headers::all(&head.headers, "content-length");
    if let Some(coding) = codings.last() {
        let last = coding.rsplit(',').next().unwrap_or_default();
        let chunked = last.trim().eq_ignore_ascii_case("chunked");
        if chunked && !lengths.is_empty() {
            let what = "Transfer-Encoding and Content-Length together";
            return Err(Broken::Malformed(what.to_owned()));
        }
        return Ok(if chunked {
            Body::ChunkSize
        } else {
            Body::UntilClose
        });
    }
    let Some(length) = lengths.first() else {
        return Ok(Body::UntilClose);
    };
    match length.parse() {
        Ok(all) if lengths.iter().all(|other| other == length) => {
            Ok(Body::Length { all, left: all })
        }
        _ => {
            let what = format!("Content-Length {}", lengths.join(", "));
            Err(Broken::Malformed(what))
        }
    }
}

fn malformed(what: impl ToString, bytes: &[u8]) -> Broken {
    let start = crate::message::bounded(bytes.get(..40).unwrap_or(bytes));
    Broken::Malformed(format!("{} at '{start}'", what.to_string()))
}

fn in_chunks(broken: Broken) -> Broken {
    cut(broken, || "before the last chunk of the body".to_owned())
}

/// An end that comes too early says where.
fn cut(broken: Broken, place: impl FnOnce() -> String) -> Broken {
    match broken {
        Broken::Closed => Broken::Cut(place()),
        other => other,
    }
}
