//! HTTP/1.1 requests from a byte stream, kept as they were received (RFC 9112).
//!
//! A library that normalises headers would hide what a proxy did to them, so this reads on top of `httparse` and
//! keeps the bytes. It is strict where leniency lets two parties see different requests in the same bytes, and
//! everything it holds is bounded.

use bytes::{Buf, Bytes, BytesMut};
use std::fmt;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest head that is read, in bytes. Trailers have the same bound.
pub const MAX_HEAD: usize = 64 * 1024;
/// The most header lines in a head. Trailers have the same bound.
pub const MAX_HEADERS: usize = 256;
/// The most that all chunk extensions of one body may take, in bytes: nobody uses them but for attacks.
pub const MAX_CHUNK_EXTENSIONS: usize = 16 * 1024;

/// Sixteen hexadecimal digits are 64 bits, so a longer chunk size overflows or is padded with zeros.
const MAX_CHUNK_DIGITS: usize = 16;
/// How much the buffer grows at a time.
const READ_SIZE: usize = 16 * 1024;
/// So few bytes are parsed before a line is complete: they give away a client that speaks something else (TLS).
const FIRST_BYTES: usize = 64;

/// The head of a request: request line and headers.
#[derive(Clone, Debug)]
pub struct Head {
    /// The bytes received, from the request line up to and with the blank line.
    pub raw: Bytes,
    /// The method, as received: methods are case-sensitive.
    pub method: String,
    /// The request target, as received.
    pub target: String,
    /// `HTTP/1.0` or `HTTP/1.1`.
    pub version: String,
    /// Names and values in the order and spelling received. A value is UTF-8, lossy, without the whitespace around it.
    pub headers: Vec<(String, String)>,
}

/// How a request's body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    None,
    /// As many bytes as `Content-Length` says.
    Length(u64),
    /// Chunks, then trailers.
    Chunked,
}

/// What in a request is not HTTP, in words. Answer it with 400 and close: nobody knows where the next one begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

/// Why a request could not be read. After any of these the connection cannot be used any more.
#[derive(Debug)]
pub enum ReadError {
    /// It is not well-formed HTTP: 400.
    Malformed(Malformed),
    /// The head is longer than [`MAX_HEAD`] or has more than [`MAX_HEADERS`] lines: 431.
    HeadTooLarge,
    /// The body's trailers or chunk extensions are beyond their bounds: 413.
    BodyTooLarge,
    /// The peer closed in the middle of a request.
    Closed,
    /// The stream failed.
    Io(io::Error),
}

impl Head {
    /// The value of the first header of this name, whose case does not matter.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.header_all(name).next()
    }

    /// The values of all headers of this name, whose case does not matter.
    pub fn header_all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers
            .iter()
            .filter(move |(header, _)| header.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Whether the connection may carry another request after this one (RFC 9112, section 9.3).
    pub fn keep_alive(&self) -> bool {
        if self.lists("connection", "close") {
            return false;
        }
        self.version == "HTTP/1.1" || self.lists("connection", "keep-alive")
    }

    /// Whether the client waits for `100 Continue` before it sends the body (RFC 9110, section 10.1.1).
    pub fn expects_continue(&self) -> bool {
        self.version == "HTTP/1.1" && self.lists("expect", "100-continue")
    }

    /// How the body is delimited (RFC 9112, section 6.3).
    ///
    /// # Errors
    /// Whatever another party on the way could read differently, because that is how requests are smuggled.
    pub fn framing(&self) -> Result<Framing, Malformed> {
        let length = self.content_length()?;
        let mut codings = self.header_all("transfer-encoding");
        let Some(coding) = codings.next() else {
            return Ok(length.map_or(Framing::None, Framing::Length));
        };
        if length.is_some() {
            return Err(Malformed("Transfer-Encoding and Content-Length together"));
        }
        if self.version == "HTTP/1.0" {
            return Err(Malformed("Transfer-Encoding in an HTTP/1.0 request"));
        }
        if codings.next().is_some() || !coding.eq_ignore_ascii_case("chunked") {
            return Err(Malformed("a Transfer-Encoding other than 'chunked'"));
        }
        Ok(Framing::Chunked)
    }

    /// The one value of `Content-Length`; the same value several times is allowed (RFC 9110, section 8.6).
    fn content_length(&self) -> Result<Option<u64>, Malformed> {
        let mut length = None;
        for value in self
            .header_all("content-length")
            .flat_map(|value| value.split(','))
        {
            let value = parse_length(value.trim_matches([' ', '\t']))?;
            if length.is_some_and(|other| other != value) {
                return Err(Malformed("Content-Length values that differ"));
            }
            length = Some(value);
        }
        Ok(length)
    }

    /// Whether a header that is a comma-separated list, on one line or several, contains the token.
    fn lists(&self, name: &str, token: &str) -> bool {
        self.header_all(name)
            .flat_map(|value| value.split(','))
            .any(|item| item.trim().eq_ignore_ascii_case(token))
    }
}

/// `u64::from_str` alone would accept a plus sign.
fn parse_length(digits: &str) -> Result<u64, Malformed> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Malformed("a Content-Length that is not a number"));
    }
    digits
        .parse()
        .map_err(|_| Malformed("a Content-Length beyond 64 bits"))
}

/// Reads requests, one after the other, from the reading half of a connection.
///
/// Every method may be cancelled (in a `select!`, by a time-out) and called again without losing a byte.
pub struct Reader<S> {
    stream: S,
    buffer: BytesMut,
    body: Body,
    /// What is left of [`MAX_CHUNK_EXTENSIONS`].
    extensions_left: usize,
    trailers: Headers,
}

/// Where in the body of the last head the reader stands.
#[derive(Clone, Copy, Debug)]
enum Body {
    Done,
    /// The head leaves open where the body ends.
    Unknown(Malformed),
    /// So many bytes are left.
    Length(u64),
    ChunkSize,
    /// So many bytes of this chunk are left.
    Chunk(u64),
    ChunkEnd,
    Trailers,
}

impl<S: AsyncRead + Unpin> Reader<S> {
    /// A reader at the start of a connection.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            buffer: BytesMut::new(),
            body: Body::Done,
            extensions_left: 0,
            trailers: Headers::new(),
        }
    }

    /// Waits for a byte that is not yet used. `false`: the peer closed.
    ///
    /// # Errors
    /// If the stream fails.
    pub async fn wait(&mut self) -> io::Result<bool> {
        Ok(!self.buffer.is_empty() || self.read_more().await? > 0)
    }

    /// Whether the next bytes are these; reads until it is certain and takes nothing away.
    ///
    /// # Errors
    /// If the stream fails.
    pub async fn starts_with(&mut self, bytes: &[u8]) -> io::Result<bool> {
        while self.buffer.len() < bytes.len() && bytes.starts_with(&self.buffer) {
            if self.read_more().await? == 0 {
                break;
            }
        }
        Ok(self.buffer.starts_with(bytes))
    }

    /// The head of the next request, or `None` if the peer closed between requests. What was not read of the last
    /// body is read and dropped first.
    ///
    /// A head with contradictory framing is returned all the same, for those who want to see it:
    /// [`Head::framing`] and [`Reader::body_piece`] report the error.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn head(&mut self) -> Result<Option<Head>, ReadError> {
        while self.body_piece().await?.is_some() {}
        self.trailers.clear();
        let Some((length, mut head)) = self.read_block(parse_head).await? else {
            return Ok(None);
        };
        head.raw = self.buffer.split_to(length).freeze();
        self.body = Body::of(head.framing());
        self.extensions_left = MAX_CHUNK_EXTENSIONS;
        Ok(Some(head))
    }

    /// The next piece of the body of the last head, never empty, or `None` once it is complete and the trailers are
    /// read. Pieces are as they arrived: a chunk may come in several.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn body_piece(&mut self) -> Result<Option<Bytes>, ReadError> {
        loop {
            self.body = match self.body {
                Body::Done | Body::Length(0) => return Ok(None),
                Body::Unknown(malformed) => return Err(malformed.into()),
                Body::Length(left) => {
                    let piece = self.read_piece(left).await?;
                    self.body = Body::Length(left - piece.len() as u64);
                    return Ok(Some(piece));
                }
                Body::ChunkSize => match self.read_chunk_size().await? {
                    0 => Body::Trailers,
                    size => Body::Chunk(size),
                },
                Body::Chunk(0) => Body::ChunkEnd,
                Body::Chunk(left) => {
                    let piece = self.read_piece(left).await?;
                    self.body = Body::Chunk(left - piece.len() as u64);
                    return Ok(Some(piece));
                }
                Body::ChunkEnd => {
                    self.read_chunk_end().await?;
                    Body::ChunkSize
                }
                Body::Trailers => {
                    self.read_trailers().await?;
                    Body::Done
                }
            };
        }
    }

    /// The trailers of the last body; empty before its end.
    pub fn trailers(&self) -> &[(String, String)] {
        &self.trailers
    }

    /// The stream, and what was read from it and not used: for a connection that leaves HTTP/1.1.
    pub fn into_parts(self) -> (S, BytesMut) {
        (self.stream, self.buffer)
    }

    /// Reads until `parse` finds a whole head or trailer section at the start of the buffer. `None`: the peer closed
    /// before its first byte.
    async fn read_block<T>(&mut self, parse: Parse<T>) -> Result<Option<(usize, T)>, ReadError> {
        let mut parsed = 0;
        loop {
            let fresh = self.buffer.get(parsed..).unwrap_or_default();
            // Only the end of a line can complete a block: bytes that trickle in one by one are not parsed each time.
            let worthwhile = fresh.contains(&b'\n') || self.buffer.len() <= FIRST_BYTES;
            if worthwhile && let Some(block) = parse(&mut self.buffer)? {
                return Ok(Some(block));
            }
            if self.buffer.len() > MAX_HEAD {
                return Err(ReadError::HeadTooLarge);
            }
            parsed = self.buffer.len();
            if self.read_more().await? == 0 {
                return if self.buffer.is_empty() {
                    Ok(None)
                } else {
                    Err(ReadError::Closed)
                };
            }
        }
    }

    async fn read_piece(&mut self, at_most: u64) -> Result<Bytes, ReadError> {
        while self.buffer.is_empty() {
            self.need_more().await?;
        }
        let length = usize::try_from(at_most)
            .unwrap_or(usize::MAX)
            .min(self.buffer.len());
        Ok(self.buffer.split_to(length).freeze())
    }

    async fn read_chunk_size(&mut self) -> Result<u64, ReadError> {
        let longest = MAX_CHUNK_DIGITS + self.extensions_left;
        let end = loop {
            match self
                .buffer
                .iter()
                .take(longest + 2)
                .position(|&byte| byte == b'\n')
            {
                Some(end) => break end,
                None if self.buffer.len() >= longest + 2 => return Err(ReadError::BodyTooLarge),
                None => self.need_more().await?,
            }
        };
        let line = self.buffer.split_to(end + 1);
        let (size, extension) = parse_chunk_size(&line)?;
        self.extensions_left = self
            .extensions_left
            .checked_sub(extension)
            .ok_or(ReadError::BodyTooLarge)?;
        Ok(size)
    }

    async fn read_chunk_end(&mut self) -> Result<(), ReadError> {
        while self.buffer.len() < 2 {
            self.need_more().await?;
        }
        if !self.buffer.starts_with(b"\r\n") {
            return Err(Malformed("a chunk longer than its size").into());
        }
        self.buffer.advance(2);
        Ok(())
    }

    async fn read_trailers(&mut self) -> Result<(), ReadError> {
        let block = match self.read_block(parse_trailers).await {
            Err(ReadError::HeadTooLarge) => return Err(ReadError::BodyTooLarge),
            block => block?,
        };
        let (length, trailers) = block.ok_or(ReadError::Closed)?;
        self.buffer.advance(length);
        self.trailers = trailers;
        Ok(())
    }

    async fn need_more(&mut self) -> Result<(), ReadError> {
        if self.read_more().await? == 0 {
            Err(ReadError::Closed)
        } else {
            Ok(())
        }
    }

    async fn read_more(&mut self) -> io::Result<usize> {
        self.buffer.reserve(READ_SIZE);
        self.stream.read_buf(&mut self.buffer).await
    }
}

impl Body {
    fn of(framing: Result<Framing, Malformed>) -> Self {
        match framing {
            Ok(Framing::None) => Self::Done,
            Ok(Framing::Length(left)) => Self::Length(left),
            Ok(Framing::Chunked) => Self::ChunkSize,
            Err(malformed) => Self::Unknown(malformed),
        }
    }
}

const BARE_LF: Malformed = Malformed("a line that ends in LF without CR");

/// Names and values, in the order and spelling received.
type Headers = Vec<(String, String)>;

/// A parser of what ends with a blank line: how many bytes it took, and what it read; `None` if more must come.
type Parse<T> = fn(&mut BytesMut) -> Result<Option<(usize, T)>, ReadError>;

fn parse_head(buffer: &mut BytesMut) -> Result<Option<(usize, Head)>, ReadError> {
    // A client may send an empty line between requests (RFC 9112, section 2.2).
    while buffer.starts_with(b"\r\n") {
        buffer.advance(2);
    }
    if buffer.starts_with(b"\n") {
        return Err(BARE_LF.into());
    }
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(length) = request.parse(buffer).map_err(refuse)? else {
        return Ok(None);
    };
    check_block(buffer.get(..length).unwrap_or_default())?;
    let head = Head {
        raw: Bytes::new(),
        method: request.method.unwrap_or_default().to_owned(),
        target: request.path.unwrap_or_default().to_owned(),
        version: if request.version == Some(0) {
            "HTTP/1.0"
        } else {
            "HTTP/1.1"
        }
        .to_owned(),
        headers: owned(request.headers),
    };
    Ok(Some((length, head)))
}

fn parse_trailers(buffer: &mut BytesMut) -> Result<Option<(usize, Headers)>, ReadError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let parsed = httparse::parse_headers(buffer, &mut headers).map_err(refuse)?;
    let httparse::Status::Complete((length, trailers)) = parsed else {
        return Ok(None);
    };
    check_block(buffer.get(..length).unwrap_or_default())?;
    Ok(Some((length, owned(trailers))))
}

/// `httparse` also takes a bare LF for the end of a line. RFC 9112, section 2.2 allows that, and parties that
/// disagree about it is one of the ways to smuggle a request.
fn check_block(block: &[u8]) -> Result<(), ReadError> {
    if block.len() > MAX_HEAD {
        return Err(ReadError::HeadTooLarge);
    }
    let lines = block.split_inclusive(|&byte| byte == b'\n');
    if lines.into_iter().all(|line| line.ends_with(b"\r\n")) {
        return Ok(());
    }
    Err(BARE_LF.into())
}

fn owned(headers: &[httparse::Header<'_>]) -> Headers {
    headers
        .iter()
        .map(|header| {
            (
                header.name.to_owned(),
                String::from_utf8_lossy(header.value).into_owned(),
            )
        })
        .collect()
}

/// The size, and how long the extension is. No sign, no whitespace: `u64::from_str_radix` is not that strict.
fn parse_chunk_size(line: &[u8]) -> Result<(u64, usize), Malformed> {
    let line = line.strip_suffix(b"\r\n").ok_or(BARE_LF)?;
    let digits = line
        .iter()
        .take_while(|byte| byte.is_ascii_hexdigit())
        .count();
    let (digits, extension) = line.split_at(digits);
    if digits.is_empty() {
        return Err(Malformed("a chunk size that is not a hexadecimal number"));
    }
    if digits.len() > MAX_CHUNK_DIGITS {
        return Err(Malformed("a chunk size beyond 64 bits"));
    }
    if !extension.is_empty() && !extension.starts_with(b";")
        || extension.iter().any(u8::is_ascii_control)
    {
        return Err(Malformed("a chunk size with something else behind it"));
    }
    let size = digits
        .iter()
        .fold(0, |size, &digit| size << 4 | hexadecimal(digit));
    Ok((size, extension.len()))
}

fn hexadecimal(digit: u8) -> u64 {
    u64::from(char::from(digit).to_digit(16).unwrap_or_default())
}

fn refuse(error: httparse::Error) -> ReadError {
    Malformed(match error {
        httparse::Error::TooManyHeaders => return ReadError::HeadTooLarge,
        httparse::Error::HeaderName => "a header name with an illegal character, or a folded line",
        httparse::Error::HeaderValue => "a header value with an illegal character",
        httparse::Error::Version => "a version other than HTTP/1.0 and HTTP/1.1",
        httparse::Error::NewLine => "CR without LF",
        httparse::Error::Token | httparse::Error::Status => "not a request line",
    })
    .into()
}

impl ReadError {
    /// The status to answer with, if there is anybody to answer.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Malformed(_) => Some(400),
            Self::HeadTooLarge => Some(431),
            Self::BodyTooLarge => Some(413),
            Self::Closed | Self::Io(_) => None,
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "malformed request: {}", self.0)
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(malformed) => malformed.fmt(formatter),
            Self::HeadTooLarge => {
                write!(
                    formatter,
                    "a head or trailers beyond {} KiB or {MAX_HEADERS} lines",
                    MAX_HEAD / 1024
                )
            }
            Self::BodyTooLarge => write!(formatter, "trailers or chunk extensions too large"),
            Self::Closed => write!(formatter, "closed in the middle of a request"),
            Self::Io(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for Malformed {}
impl std::error::Error for ReadError {}

impl From<Malformed> for ReadError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    /// Everything that a stream of requests contains.
    #[derive(Debug, PartialEq)]
    struct Seen {
        raw: Bytes,
        body: Vec<u8>,
        trailers: Headers,
    }

    async fn read_all(mut reader: Reader<impl AsyncRead + Unpin>) -> Result<Vec<Seen>, ReadError> {
        let mut seen = Vec::new();
        while let Some(head) = reader.head().await? {
            let mut body = Vec::new();
            while let Some(piece) = reader.body_piece().await? {
                assert!(!piece.is_empty());
                body.extend_from_slice(&piece);
            }
            seen.push(Seen {
                raw: head.raw,
                body,
                trailers: reader.trailers().to_vec(),
            });
        }
        Ok(seen)
    }

    async fn head_of(bytes: &str) -> Head {
        Reader::new(bytes.as_bytes()).head().await.unwrap().unwrap()
    }

    /// What a request with these header lines (and this behind them) is refused for.
    async fn refused(rest: impl AsRef<[u8]>) -> ReadError {
        let mut bytes = b"POST / HTTP/1.1\r\nHost: a\r\n".to_vec();
        bytes.extend_from_slice(rest.as_ref());
        read_all(Reader::new(bytes.as_slice())).await.unwrap_err()
    }

    const STREAM: &[u8] = b"POST /a?b=%20c HTTP/1.1\r\nHost: x\r\nX-Two:  1 \r\nx-two: \xff2\r\nContent-Length: 5\r\n\r\nhello\
        \r\nPUT * HTTP/1.1\r\nHOST: x\r\ntransfer-encoding: Chunked\r\n\r\n\
        3\r\nabc\r\n00A;name=\"value\"\r\n0123456789\r\n0\r\nX-End: 1\r\nx-end: 2\r\n\r\n\
        GET http://x/ HTTP/1.0\r\n\r\n";

    #[tokio::test]
    async fn keeps_what_it_received() {
        let mut reader = Reader::new(STREAM);
        let head = reader.head().await.unwrap().unwrap();
        assert_eq!(head.method, "POST");
        assert_eq!(head.target, "/a?b=%20c");
        assert_eq!(head.version, "HTTP/1.1");
        let names: Vec<&str> = head.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["Host", "X-Two", "x-two", "Content-Length"]);
        assert_eq!(
            head.header_all("X-TWO").collect::<Vec<_>>(),
            ["1", "\u{fffd}2"]
        );
        assert_eq!(head.header("x-two"), Some("1"));
        assert_eq!(head.header("absent"), None);
        assert_eq!(head.framing(), Ok(Framing::Length(5)));
        assert!(STREAM.starts_with(&head.raw) && head.raw.ends_with(b"Content-Length: 5\r\n\r\n"));
    }

    #[tokio::test]
    async fn any_split_reads_the_same() {
        let whole = read_all(Reader::new(STREAM)).await.unwrap();
        assert_eq!(whole.len(), 3);
        assert_eq!(whole[0].body, b"hello");
        assert_eq!(whole[1].body, b"abc0123456789");
        let trailers = [("X-End", "1"), ("x-end", "2")];
        assert_eq!(
            whole[1].trailers,
            trailers.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        assert_eq!(whole[2].raw, "GET http://x/ HTTP/1.0\r\n\r\n");
        for position in 0..=STREAM.len() {
            let (first, second) = STREAM.split_at(position);
            assert_eq!(
                read_all(Reader::new(AsyncReadExt::chain(first, second)))
                    .await
                    .unwrap(),
                whole,
                "split at {position}"
            );
        }
        let (mut sender, receiver) = tokio::io::duplex(1);
        tokio::spawn(async move { sender.write_all(STREAM).await });
        assert_eq!(read_all(Reader::new(receiver)).await.unwrap(), whole);
    }

    #[tokio::test]
    async fn an_end_anywhere_but_between_requests_is_noticed() {
        let mut ends = Vec::new();
        for position in 0..STREAM.len() {
            match read_all(Reader::new(&STREAM[..position])).await {
                Ok(_) => ends.push(position),
                Err(ReadError::Closed) => {}
                Err(other) => panic!("cut at {position}: {other}"),
            }
        }
        let first = STREAM
            .windows(5)
            .position(|window| window == b"hello")
            .unwrap()
            + 5;
        let third = STREAM
            .windows(10)
            .position(|window| window == b"GET http:/")
            .unwrap();
        assert_eq!(ends, [0, first, first + 2, third]);
    }

    #[tokio::test]
    async fn a_cancelled_read_loses_nothing() {
        let (mut sender, receiver) = tokio::io::duplex(64);
        let mut reader = Reader::new(receiver);
        for piece in STREAM[..first_request()].chunks(7) {
            tokio::select! { biased; _ = reader.head() => panic!("not complete yet"), () = std::future::ready(()) => {} }
            sender.write_all(piece).await.unwrap();
        }
        assert_eq!(reader.head().await.unwrap().unwrap().method, "POST");
    }

    fn first_request() -> usize {
        STREAM
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .unwrap()
            + 4
    }

    #[tokio::test]
    async fn a_body_that_nobody_read_is_skipped() {
        let mut reader = Reader::new(STREAM);
        let mut methods = Vec::new();
        while let Some(head) = reader.head().await.unwrap() {
            methods.push(head.method);
        }
        assert_eq!(methods, ["POST", "PUT", "GET"]);
    }

    #[tokio::test]
    async fn what_follows_an_upgrade_is_handed_over() {
        let mut reader = Reader::new(&b"GET /ws HTTP/1.1\r\nUpgrade: x\r\n\r\nframes"[..]);
        assert!(!reader.starts_with(b"GET /wx").await.unwrap());
        assert!(reader.starts_with(b"GET /ws").await.unwrap());
        reader.head().await.unwrap().unwrap();
        let (rest, buffer) = reader.into_parts();
        assert_eq!([&buffer, rest].concat(), b"frames");
    }

    #[tokio::test]
    async fn starts_with_stops_at_the_end() {
        let mut reader = Reader::new(&b"PRI * HT"[..]);
        assert!(!reader.starts_with(b"PRI * HTTP/2.0").await.unwrap());
    }

    #[tokio::test]
    async fn contradictory_framing_is_refused() {
        for lines in [
            "Content-Length: 3\r\nTransfer-Encoding: chunked",
            "Content-Length: 3\r\nContent-Length: 4",
            "Content-Length: 3, 4",
            "Content-Length: +3",
            "Content-Length: -3",
            "Content-Length: 0x3",
            "Content-Length: 3 3",
            "Content-Length:",
            "Content-Length: 3,",
            "Content-Length: 18446744073709551616",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: chunked, identity",
            "Transfer-Encoding: xchunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding:",
        ] {
            let error = refused(format!("{lines}\r\n\r\nabc")).await;
            assert_eq!(error.status(), Some(400), "{lines}: {error}");
        }
        let head = head_of("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        assert!(head.framing().is_err());
        let head =
            head_of("GET / HTTP/1.1\r\nContent-Length: 3, 3\r\nContent-Length: 3\r\n\r\n").await;
        assert_eq!(head.framing(), Ok(Framing::Length(3)));
    }

    #[tokio::test]
    async fn what_is_not_http_is_refused() {
        for rest in [
            &b"A: b\r\n c\r\n\r\n"[..],
            b" A: b\r\n\r\n",
            b"A : b\r\n\r\n",
            b"A: b\0c\r\n\r\n",
            b"A: b\rc\r\n\r\n",
            b"A: b\n\r\n",
            b"A: b\r\n\n",
            b": b\r\n\r\n",
            b"A\r\n\r\n",
            b"A\xff: b\r\n\r\n",
        ] {
            let error = refused(rest).await;
            assert_eq!(
                error.status(),
                Some(400),
                "{}: {error}",
                rest.escape_ascii()
            );
        }
        for line in [
            "GET /\r\n\r\n",
            "GET / HTTP/2.0\r\n\r\n",
            "GET  / HTTP/1.1\r\n\r\n",
            "\nGET / HTTP/1.1\r\n\r\n",
        ] {
            let error = Reader::new(line.as_bytes()).head().await.unwrap_err();
            assert_eq!(error.status(), Some(400), "{line}: {error}");
        }
    }

    #[tokio::test]
    async fn another_protocol_is_noticed_at_its_first_bytes() {
        let (mut sender, receiver) = tokio::io::duplex(64);
        sender.write_all(b"\x16\x03\x01\x02\x00\x01").await.unwrap();
        assert_eq!(
            Reader::new(receiver).head().await.unwrap_err().status(),
            Some(400)
        );
    }

    #[tokio::test]
    async fn bad_chunks_are_refused() {
        for chunks in [
            "+3\r\nabc\r\n0\r\n\r\n",
            "-3\r\nabc\r\n0\r\n\r\n",
            " 3\r\nabc\r\n0\r\n\r\n",
            "3 \r\nabc\r\n0\r\n\r\n",
            "3\t;a\r\nabc\r\n0\r\n\r\n",
            "3;a\rb\r\nabc\r\n0\r\n\r\n",
            "0x3\r\nabc\r\n0\r\n\r\n",
            "\r\nabc\r\n0\r\n\r\n",
            ";a\r\nabc\r\n0\r\n\r\n",
            "g\r\nabc\r\n0\r\n\r\n",
            "3\nabc\r\n0\r\n\r\n",
            "3\r\nabcd\r\n0\r\n\r\n",
            "3\r\nab\r\n0\r\n\r\n",
            "10000000000000000\r\nabc\r\n0\r\n\r\n",
            "00000000000000003\r\nabc\r\n0\r\n\r\n",
            "0\r\n folded: x\r\n\r\n",
            "0\r\nA: b\n\r\n",
        ] {
            let error = refused(format!("Transfer-Encoding: chunked\r\n\r\n{chunks}")).await;
            assert_eq!(
                error.status(),
                Some(400),
                "{}: {error}",
                chunks.escape_debug()
            );
        }
        // The largest size is no overflow: the end comes too early, that is all.
        let error = refused("Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc").await;
        assert!(matches!(error, ReadError::Closed));
    }

    #[tokio::test]
    async fn everything_is_bounded() {
        let filler = "x".repeat(MAX_HEAD);
        assert_eq!(
            refused(format!("A: {filler}\r\n\r\n")).await.status(),
            Some(431)
        );
        assert_eq!(refused(format!("A: {filler}")).await.status(), Some(431));
        assert_eq!(
            refused("A: b\r\n".repeat(MAX_HEADERS) + "\r\n")
                .await
                .status(),
            Some(431)
        );
        let fits = "POST / HTTP/1.1\r\n".to_owned() + &"A: b\r\n".repeat(MAX_HEADERS) + "\r\n";
        assert_eq!(head_of(&fits).await.headers.len(), MAX_HEADERS);

        let chunked = "Transfer-Encoding: chunked\r\n\r\n";
        let line = refused(format!("{chunked}1;{filler}\r\na\r\n0\r\n\r\n")).await;
        assert_eq!(line.status(), Some(413));
        let many = "1;a\r\nx\r\n".repeat(MAX_CHUNK_EXTENSIONS / 2 + 1);
        assert_eq!(
            refused(format!("{chunked}{many}0\r\n\r\n")).await.status(),
            Some(413)
        );
        assert_eq!(
            refused(format!("{chunked}0\r\nA: {filler}\r\n\r\n"))
                .await
                .status(),
            Some(413)
        );
        let trailers = "A: b\r\n".repeat(MAX_HEADERS + 1);
        assert_eq!(
            refused(format!("{chunked}0\r\n{trailers}\r\n"))
                .await
                .status(),
            Some(413)
        );
    }

    #[tokio::test]
    async fn keep_alive_follows_version_and_connection() {
        for (head, expected) in [
            ("GET / HTTP/1.1\r\n\r\n", true),
            ("GET / HTTP/1.1\r\nConnection: x, Close\r\n\r\n", false),
            ("GET / HTTP/1.0\r\n\r\n", false),
            ("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true),
            (
                "GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n",
                false,
            ),
        ] {
            assert_eq!(head_of(head).await.keep_alive(), expected, "{head}");
        }
    }

    #[tokio::test]
    async fn only_http_1_1_can_expect_continue() {
        assert!(
            head_of("PUT / HTTP/1.1\r\nExpect: 100-Continue\r\n\r\n")
                .await
                .expects_continue()
        );
        assert!(
            !head_of("PUT / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n")
                .await
                .expects_continue()
        );
        assert!(!head_of("PUT / HTTP/1.1\r\n\r\n").await.expects_continue());
    }
}
