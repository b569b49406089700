//! What an upstream answers: well, late, wrong or not at all.

use bytes::Bytes;
use http::StatusCode;
use std::time::Duration;

/// An answer that an upstream of a check gives.
#[derive(Clone, Debug)]
pub struct Reply {
    pub(crate) act: Act,
    pub(crate) gate: bool,
    pub(crate) delay: Option<Duration>,
    pub(crate) drip: Option<Duration>,
    pub(crate) close: bool,
    pub(crate) early: bool,
}

/// What is done with a request.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Answer(Answer),
    Raw(Bytes),
    Nothing,
    Reset,
    Stall,
    StopReading,
}

/// A well-formed answer, apart from a length that may lie.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    status: u16,
    content_type: Option<&'static str>,
    headers: Vec<(String, String)>,
    trailers: Vec<(String, String)>,
    body: Vec<Bytes>,
    /// Whether every piece but the first waits at a gate.
    pub(crate) gated: bool,
    chunked: bool,
    declared: Option<usize>,
}

impl Reply {
    /// An answer with a text as its body.
    pub fn text(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::body(status, "text/plain", body.into().into())
    }

    /// An answer with JSON as its body, given as text.
    pub fn json(status: u16, body: impl ToString) -> Self {
        Self::body(status, "application/json", body.to_string().into())
    }

    /// An answer without a body.
    pub fn status(status: u16) -> Self {
        Self::answer(status, None, Vec::new())
    }

    /// 200 with a chunked body. Every piece but the first waits for one [`crate::Upstream::release`].
    pub fn pieces<P: Into<Vec<u8>>>(pieces: impl IntoIterator<Item = P>) -> Self {
        let pieces = pieces.into_iter().map(|piece| Bytes::from(piece.into()));
        let pieces = pieces.filter(|piece| !piece.is_empty()).collect();
        let mut reply = Self::answer(200, Some("text/plain"), pieces).chunked();
        reply.edit(|answer| answer.gated = true);
        reply
    }

    /// Exactly these bytes; then the connection stays open.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(Act::Raw(bytes.into().into()))
    }

    /// A body that is shorter than its `Content-Length`, in bytes, and then the end of the connection.
    pub fn truncated(declared: usize, body: impl Into<Vec<u8>>) -> Self {
        let mut reply = Self::text(200, body).then_close();
        reply.edit(|answer| answer.declared = Some(declared));
        reply
    }

    /// The connection is reset (RST) once the head is read.
    pub fn reset() -> Self {
        Self::new(Act::Reset)
    }

    /// The connection is closed (FIN) without a byte once the request is read.
    pub fn close() -> Self {
        Self::new(Act::Nothing).then_close()
    }

    /// The request is read and never answered.
    pub fn stall() -> Self {
        Self::new(Act::Stall)
    }

    /// Bytes that are not HTTP.
    pub fn garbage() -> Self {
        Self::raw(&b"\x16\x03\x01 this is not HTTP\r\n\r\n"[..])
    }

    /// After the head nothing more is read, and nothing is answered. The receive buffer is small.
    pub fn stop_reading() -> Self {
        Self::new(Act::StopReading)
    }

    /// Appends a header. `Content-Type` and `Content-Length` take the place of those that the answer has by itself.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.edit(|answer| answer.headers.push((name.into(), value.into())));
        self
    }

    /// Frames the same body as chunks.
    pub fn chunked(mut self) -> Self {
        self.edit(|answer| answer.chunked = true);
        self
    }

    /// Appends a trailer, which makes the body chunked.
    pub fn trailer(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.edit(|answer| answer.trailers.push((name.into(), value.into())));
        self.chunked()
    }

    /// Waits for one [`crate::Upstream::release`] before the status line.
    pub fn gate(mut self) -> Self {
        self.gate = true;
        self
    }

    /// Waits this long before the status line.
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// Waits this long between the bytes of the body, or between its pieces.
    pub fn drip(mut self, pause: Duration) -> Self {
        self.drip = Some(pause);
        self
    }

    /// Begins to answer once the head is read; the body of the request is read after the answer.
    pub fn early(mut self) -> Self {
        self.early = true;
        self
    }

    /// Closes the connection (FIN) after the answer.
    pub fn then_close(mut self) -> Self {
        self.close = true;
        self
    }

    fn new(act: Act) -> Self {
        Self {
            act,
            gate: false,
            delay: None,
            drip: None,
            close: false,
            early: false,
        }
    }

    fn body(status: u16, content_type: &'static str, body: Bytes) -> Self {
        Self::answer(status, Some(content_type), vec![body])
    }

    fn answer(status: u16, content_type: Option<&'static str>, body: Vec<Bytes>) -> Self {
        Self::new(Act::Answer(Answer {
            status,
            content_type,
            headers: Vec::new(),
            trailers: Vec::new(),
            body,
            gated: false,
            chunked: false,
            declared: None,
        }))
    }

    fn edit(&mut self, edit: impl FnOnce(&mut Answer)) {
        if let Act::Answer(answer) = &mut self.act {
            edit(answer);
        }
    }
}

impl Answer {
    /// Status line and headers. `last` says that the connection ends with this answer.
    pub(crate) fn head(&self, last: bool) -> String {
        let reason = StatusCode::from_u16(self.status)
            .ok()
            .and_then(|status| status.canonical_reason())
            .unwrap_or("");
        let mut head = format!("HTTP/1.1 {} {reason}\r\n", self.status);
        let given = |name: &str| {
            let mut names = self.headers.iter().map(|(name, _)| name);
            names.any(|other| other.eq_ignore_ascii_case(name))
        };
        let mut line = |name: &str, value: &str| head.push_str(&format!("{name}: {value}\r\n"));
        if let Some(content_type) = self.content_type.filter(|_| !given("content-type")) {
            line("Content-Type", content_type);
        }
        if self.may_have_body() && self.chunked {
            line("Transfer-Encoding", "chunked");
        } else if self.may_have_body() && !given("content-length") {
            line("Content-Length", &self.length().to_string());
        }
        if last && !given("connection") {
            line("Connection", "close");
        }
        for (name, value) in &self.headers {
            line(name, value);
        }
        head + "\r\n"
    }

    /// The body in the units in which it is sent, each framed; `by_byte` makes every byte one.
    pub(crate) fn body(&self, by_byte: bool) -> Vec<Bytes> {
        let pieces: Vec<Bytes> = if by_byte && !self.gated {
            let bytes = self.body.iter().flatten();
            bytes.map(|&byte| Bytes::from(vec![byte])).collect()
        } else {
            self.body.clone()
        };
        if !self.may_have_body() {
            return Vec::new();
        }
        if !self.chunked {
            return pieces;
        }
        let pieces = pieces.iter().filter(|piece| !piece.is_empty());
        pieces.map(chunk).collect()
    }

    /// What ends the body.
    pub(crate) fn end(&self) -> String {
        if !self.chunked || !self.may_have_body() {
            return String::new();
        }
        let mut end = "0\r\n".to_owned();
        for (name, value) in &self.trailers {
            end.push_str(&format!("{name}: {value}\r\n"));
        }
        end + "\r\n"
    }

    fn length(&self) -> usize {
        let length = self.body.iter().map(Bytes::len).sum();
        self.declared.unwrap_or(length)
    }

    /// RFC 9110, sections 15.2, 15.3.5 and 15.4.5.
    fn may_have_body(&self) -> bool {
        self.status >= 200 && self.status != 204 && self.status != 304
    }
}

fn chunk(piece: &Bytes) -> Bytes {
    let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
    chunk.extend_from_slice(piece);
    chunk.extend_from_slice(b"\r\n");
    chunk.into()
}
