//! The client in front of the proxy: requests, each on a connection of its own or on one that is kept alive.

use crate::condition::{patience, short_patience};
use crate::connection::Connection;
use crate::expectation::Expected;
use crate::failure::raise;
use crate::handshake::Handshake;
use crate::message::Message;
use crate::report::Report;
use crate::response::Response;
use crate::scene::{Exchange, Sent};
use crate::target::Target;
use bytes::Bytes;
use std::ops::Deref;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// A client with one connection, which it never replaces by another.
#[derive(Clone, Debug)]
pub struct Client {
    target: Target,
    connection: Arc<Mutex<Connection>>,
}

/// A request to be sent.
#[derive(Debug)]
#[must_use = "nothing is sent before .send().await"]
pub struct RequestBuilder {
    target: Target,
    connection: Option<Arc<Mutex<Connection>>>,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Body,
}

#[derive(Debug)]
enum Body {
    None,
    Whole(Bytes),
    Chunks(Vec<Bytes>),
}

/// An answer whose head has arrived. Dropping it closes a connection that was made for it.
#[derive(Debug)]
pub struct Streaming {
    connection: OwnedMutexGuard<Connection>,
    response: Response,
}

impl Client {
    pub(crate) fn new(target: Target, connection: Connection) -> Self {
        Self {
            target,
            connection: Arc::new(Mutex::new(connection)),
        }
    }

    /// A GET request on this connection.
    pub fn get(&self, path: impl Into<String>) -> RequestBuilder {
        self.request("GET", path)
    }

    /// A POST request on this connection.
    pub fn post(&self, path: impl Into<String>) -> RequestBuilder {
        self.request("POST", path)
    }

    /// A HEAD request on this connection.
    pub fn head(&self, path: impl Into<String>) -> RequestBuilder {
        self.request("HEAD", path)
    }

    /// A request on this connection.
    pub fn request(&self, method: impl Into<String>, path: impl Into<String>) -> RequestBuilder {
        let connection = Some(Arc::clone(&self.connection));
        RequestBuilder::new(self.target.clone(), connection, method, path)
    }

    /// How the TLS handshake of this connection went. A server that refuses the client's certificate after it shows
    /// in the first answer.
    pub async fn handshake(&self) -> Handshake {
        self.connection.lock().await.handshake(self.target.scene())
    }

    /// Whether the proxy keeps the connection open, as far as can be seen in a moment.
    pub async fn is_open(&self) -> bool {
        match self.connection.try_lock() {
            Ok(mut connection) => connection.is_open().await,
            // An answer is being read from it.
            Err(_) => true,
        }
    }

    /// Expects that the proxy keeps the connection open.
    #[track_caller]
    pub fn expect_open(&self) -> impl Future<Output = Expected<'_, Self>> {
        let report = Report::expectation("the proxy closed the connection")
            .in_scene(Some(self.target.scene()))
            .expected("an open connection");
        async move {
            let open = self.is_open().await;
            Expected::new(self, (!open).then_some(report))
        }
    }
}

impl RequestBuilder {
    pub(crate) fn new(
        target: Target,
        connection: Option<Arc<Mutex<Connection>>>,
        method: impl Into<String>,
        path: impl Into<String>,
    ) -> Self {
        Self {
            target,
            connection,
            method: method.into(),
            path: path.into(),
            headers: Vec::new(),
            body: Body::None,
        }
    }

    /// Appends a header. `Host` and `Content-Length` take the place of those that the client sends by itself.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sends a body with `Content-Length`.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Body::Whole(body.into().into());
        self
    }

    /// Sends a body in chunks, one for each piece that is not empty.
    pub fn chunked<P: Into<Vec<u8>>>(mut self, pieces: impl IntoIterator<Item = P>) -> Self {
        let pieces = pieces.into_iter().map(|piece| Bytes::from(piece.into()));
        self.body = Body::Chunks(pieces.filter(|piece| !piece.is_empty()).collect());
        self
    }

    /// Sends the request and reads the whole answer. Whatever happens is an outcome; expectations judge it. On a
    /// [`Client`] it waits until the answer before is read or dropped.
    pub async fn send(self) -> Response {
        self.start().await.finish().await
    }

    /// Sends the request, whose answer must come although something on the way is stuck: that none comes, or not its
    /// end, is a failed expectation and not a time-out. It is waited for less long.
    pub async fn must_be_answered(self) -> Response {
        let answer = self.start_with(short_patience()).await;
        let mut response = answer.finish().await;
        response.require();
        response
    }

    /// Sends the request and reads the head of the answer.
    pub async fn start(self) -> Streaming {
        self.start_with(patience()).await
    }

    async fn start_with(self, patience: Duration) -> Streaming {
        let (exchange, parts) = self.prepare();
        let mut connection = match self.connection {
            Some(connection) => connection.lock_owned().await,
            None => {
                let connection = self.target.open().await;
                Arc::new(Mutex::new(connection)).lock_owned().await
            }
        };
        connection.set_patience(patience);
        connection.start_sending(parts).await;
        let head = connection.head(&self.method).await;
        Streaming {
            connection,
            response: Response::new(head, exchange, self.target.scene()),
        }
    }

    /// What goes over the wire, and the record of it.
    fn prepare(&self) -> (Arc<Exchange>, Vec<Bytes>) {
        let headers = self.all_headers();
        let first_line = format!("{} {} HTTP/1.1", self.method, self.path);
        let mut head = first_line.clone() + "\r\n";
        for (name, value) in &headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let mut parts = vec![Bytes::from(head)];
        let body = match &self.body {
            Body::None => Vec::new(),
            Body::Whole(body) => {
                parts.push(body.clone());
                body.to_vec()
            }
            Body::Chunks(pieces) => {
                for piece in pieces {
                    let size = format!("{:x}\r\n", piece.len()).into_bytes();
                    parts.push([&size, piece.as_ref(), b"\r\n"].concat().into());
                }
                parts.push(Bytes::from_static(b"0\r\n\r\n"));
                pieces.concat()
            }
        };
        let exchange = self.target.scene().begin(Sent {
            message: Message {
                first_line: first_line + &self.target.remark(),
                headers,
                body,
                note: None,
            },
            by_check: self.headers.iter().map(|(name, _)| name.clone()).collect(),
        });
        (exchange, parts)
    }

    fn all_headers(&self) -> Vec<(String, String)> {
        let mut headers = Vec::new();
        let given = |name: &str| {
            let mut names = self.headers.iter().map(|(name, _)| name);
            names.any(|other| other.eq_ignore_ascii_case(name))
        };
        let mut add = |name: &str, value: String| {
            if !given(name) {
                headers.push((name.to_owned(), value));
            }
        };
        add("Host", self.target.host());
        match &self.body {
            Body::Whole(body) => add("Content-Length", body.len().to_string()),
            Body::Chunks(_) => add("Transfer-Encoding", "chunked".to_owned()),
            // RFC 9110, section 8.6.
            Body::None if matches!(self.method.as_str(), "POST" | "PUT" | "PATCH") => {
                add("Content-Length", "0".to_owned());
            }
            Body::None => {}
        }
        headers.extend(self.headers.iter().cloned());
        headers
    }
}

impl Streaming {
    /// The answer as far as it was read.
    pub fn head(&self) -> &Response {
        &self.response
    }

    /// The next piece of the body as it arrives; `None` at its end, and where the connection ends too early. That
    /// nothing comes is a time-out.
    #[track_caller]
    pub fn next_piece(&mut self) -> impl Future<Output = Option<Bytes>> {
        let at = Location::caller();
        async move {
            let piece = self.read(u64::MAX).await;
            if let Some(report) = self.response.time_out() {
                raise(&report.at(at));
            }
            piece
        }
    }

    /// Expects that exactly these bytes of the body come next. That they do not come fails it too; they are waited
    /// for less long than other things.
    #[track_caller]
    pub fn expect_piece(
        &mut self,
        bytes: impl AsRef<[u8]>,
    ) -> impl Future<Output = Expected<'_, Self>> {
        let at = Location::caller();
        async move {
            let wanted = bytes.as_ref();
            let mut got = Vec::new();
            self.connection.set_patience(short_patience());
            while got.len() < wanted.len() && wanted.starts_with(&got) {
                match self.read((wanted.len() - got.len()) as u64).await {
                    Some(piece) => got.extend_from_slice(&piece),
                    None => break,
                }
            }
            self.connection.set_patience(patience());
            self.response.show();
            let summary = match self.response.time_out() {
                Some(_) => "the client did not get this piece in time",
                None => "the client got a different piece",
            };
            let report = self.response.differs(summary).at(at);
            let report = report.expected_bytes(wanted);
            Expected::new(self, (got != wanted).then_some(report))
        }
    }

    /// Expects that pieces come next for which, taken together, this holds; `words` says what is wanted. That they do
    /// not come fails it too; they are waited for less long than other things.
    #[track_caller]
    pub fn expect_pieces_where(
        &mut self,
        words: &str,
        holds: impl Fn(&[u8]) -> bool,
    ) -> impl Future<Output = Expected<'_, Self>> {
        let at = Location::caller();
        async move {
            let mut got = Vec::new();
            self.connection.set_patience(short_patience());
            while !holds(&got) {
                match self.read(u64::MAX).await {
                    Some(piece) => got.extend_from_slice(&piece),
                    None => break,
                }
            }
            self.connection.set_patience(patience());
            self.response.show();
            let report = self
                .response
                .differs("the client did not get these pieces in time")
                .at(at)
                .expected(words);
            Expected::new(self, (!holds(&got)).then_some(report))
        }
    }

    /// Reads the rest of the answer.
    pub async fn finish(mut self) -> Response {
        while self.read(u64::MAX).await.is_some() {}
        self.response
    }

    async fn read(&mut self, most: u64) -> Option<Bytes> {
        if !self.response.is_open() {
            return None;
        }
        match self.connection.piece(most).await {
            Ok(Some(piece)) => {
                self.response.append(&piece);
                Some(piece)
            }
            Ok(None) => {
                let trailers = self.connection.trailers();
                self.response.end(trailers);
                None
            }
            Err(broken) => {
                self.response.break_off(broken);
                None
            }
        }
    }
}

impl Deref for Streaming {
    type Target = Response;

    fn deref(&self) -> &Response {
        &self.response
    }
}
