//! A connection to the proxy, byte by byte.

use crate::answer::Broken;
use crate::condition::{patience, short_patience, within};
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
use std::panic::Location;
use std::sync::Arc;

/// A raw connection: TCP, or what TLS carries.
#[derive(Debug)]
pub struct Wire {
    target: Target,
    connection: Connection,
    /// All that was sent: answers are read according to the methods in it.
    sent: Vec<u8>,
    answers: usize,
    /// Where in `sent` the current exchange begins.
    begun: usize,
    exchange: Option<Arc<Exchange>>,
    got: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(target: Target, connection: Connection) -> Self {
        Self {
            target,
            connection,
            sent: Vec::new(),
            answers: 0,
            begun: 0,
            exchange: None,
            got: Vec::new(),
        }
    }

    /// Sends exactly these bytes. A peer that has closed shows when it is read from; one that takes nothing more is a
    /// time-out.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> impl Future<Output = ()> {
        let at = Location::caller();
        async move {
            let bytes = bytes.as_ref();
            self.record(bytes);
            if self.connection.send(bytes).await.is_none() {
                let what = format!("nobody read what was sent {}", within());
                raise(&self.scenery(Report::time_out(what).at(at)));
            }
        }
    }

    /// Reads one answer. Whatever happens is an outcome; expectations judge it. The answer to the n-th request line
    /// that was sent is read as its method asks.
    pub async fn read_response(&mut self) -> Response {
        let method = nth_method(&self.sent, self.answers).to_owned();
        self.answers += 1;
        let exchange = self.exchange();
        self.exchange = None;
        self.begun = self.sent.len();
        let head = self.connection.head(&method).await;
        let mut response = Response::new(head, exchange, self.target.scene());
        while response.is_open() {
            match self.connection.piece(u64::MAX).await {
                Ok(Some(piece)) => response.append(&piece),
                Ok(None) => response.end(self.connection.trailers()),
                Err(broken) => response.break_off(broken),
            }
        }
        response
    }

    /// Like [`Wire::read_response`], for an answer that must come although something on the way is stuck: that none
    /// comes, or not its end, is a failed expectation and not a time-out. It is waited for less long.
    pub async fn must_be_answered(&mut self) -> Response {
        self.connection.set_patience(short_patience());
        let mut response = self.read_response().await;
        self.connection.set_patience(patience());
        response.require();
        response
    }

    /// What arrives next; empty at the end. That nothing comes is a time-out.
    #[track_caller]
    pub fn read_some(&mut self) -> impl Future<Output = Bytes> {
        let at = Location::caller();
        async move { self.read(at).await }
    }

    /// All that arrives up to the end of the connection. That it does not end is a time-out.
    #[track_caller]
    pub fn read_to_end(&mut self) -> impl Future<Output = Vec<u8>> {
        let at = Location::caller();
        async move {
            let mut bytes = Vec::new();
            loop {
                let piece = self.read(at).await;
                if piece.is_empty() {
                    return bytes;
                }
                bytes.extend_from_slice(&piece);
            }
        }
    }

    /// Expects that exactly these bytes come next; that they do not come while patience lasts fails it too.
    #[track_caller]
    pub fn expect_echo(
        &mut self,
        bytes: impl AsRef<[u8]>,
    ) -> impl Future<Output = Expected<'_, Self>> {
        let at = Location::caller();
        async move {
            let wanted = bytes.as_ref();
            let mut got = Vec::new();
            let mut broken = None;
            while broken.is_none() && got.len() < wanted.len() && wanted.starts_with(&got) {
                match self.read_up_to(wanted.len() - got.len()).await {
                    Ok(piece) => got.extend_from_slice(&piece),
                    Err(error) => broken = Some(error),
                }
            }
            let summary = match broken {
                Some(Broken::Nothing(_)) => {
                    format!("the client did not get all bytes {}", within())
                }
                Some(broken) => format!("the client did not get all bytes: {}", broken.describe()),
                None => "the client got different bytes".to_owned(),
            };
            let report = self.scenery(Report::expectation(summary).at(at));
            let report = report.with_body().expected_bytes(wanted);
            Expected::new(self, (got != wanted).then_some(report))
        }
    }

    /// Says that nothing more will be sent (FIN); reading goes on.
    pub async fn finish(&mut self) {
        self.connection.finish().await;
    }

    /// How the TLS handshake of this connection went. A server that refuses the client's certificate after it shows
    /// when it is read from.
    pub fn handshake(&self) -> Handshake {
        self.connection.handshake(self.target.scene())
    }

    /// Whether the proxy keeps the connection open, as far as can be seen in a moment.
    pub async fn is_open(&mut self) -> bool {
        self.connection.is_open().await
    }

    async fn read(&mut self, at: &'static Location<'static>) -> Bytes {
        match self.read_up_to(usize::MAX).await {
            Ok(piece) => piece,
            Err(Broken::Closed) => Bytes::new(),
            Err(broken) => raise(&self.scenery(self.ended(broken).at(at))),
        }
    }

    async fn read_up_to(&mut self, most: usize) -> Result<Bytes, Broken> {
        let exchange = self.exchange();
        let read = match self.connection.reader() {
            Ok(reader) => reader.up_to(most as u64).await,
            Err(broken) => Err(broken),
        };
        let mut answer = match &read {
            Ok(piece) => {
                self.got.extend_from_slice(piece);
                Message::bytes(&self.got)
            }
            Err(broken) => {
                let mut answer = Message::bytes(&self.got);
                answer.note = Some(format!("({})", broken.describe()));
                answer
            }
        };
        if self.got.is_empty()
            && let Err(broken) = &read
        {
            answer = Message::remark(format!("(nothing: {})", broken.describe()));
        }
        exchange.set_answer(answer);
        read
    }

    fn ended(&self, broken: Broken) -> Report {
        match broken {
            Broken::Nothing(_) => Report::time_out(format!("no bytes {}", within())),
            Broken::NoConnection(_) => {
                Report::expectation(format!("the client got {}", broken.describe()))
            }
            other => Report::expectation(other.describe()),
        }
    }

    fn scenery(&self, report: Report) -> Report {
        let report = report.in_scene(Some(self.target.scene()));
        match &self.exchange {
            Some(exchange) => report.about_exchange(Arc::clone(exchange)),
            None => report,
        }
    }

    fn record(&mut self, bytes: &[u8]) {
        self.sent.extend_from_slice(bytes);
        let exchange = self.exchange();
        exchange.set_sent(self.sent_in_exchange());
    }

    fn exchange(&mut self) -> Arc<Exchange> {
        let sent = self.sent_in_exchange();
        let scene = self.target.scene();
        let exchange = self.exchange.get_or_insert_with(|| scene.begin(sent));
        Arc::clone(exchange)
    }

    /// What was sent, as a request if it looks like one. The check wrote all of it, so all of it is shown.
    fn sent_in_exchange(&self) -> Sent {
        let bytes = self.sent.get(self.begun..).unwrap_or_default();
        let Some((head, body)) = split_head(bytes) else {
            let mut message = Message::bytes(bytes);
            if bytes.is_empty() {
                message.first_line = "(nothing)".to_owned();
            }
            return Sent {
                message,
                by_check: Vec::new(),
            };
        };
        let head = String::from_utf8_lossy(head);
        let mut lines = head.split("\r\n");
        let first_line = lines.next().unwrap_or_default().to_owned() + &self.target.remark();
        let headers: Vec<(String, String)> = lines
            .map(|line| {
                let (name, value) = line.split_once(':').unwrap_or((line, ""));
                (name.to_owned(), value.trim().to_owned())
            })
            .collect();
        Sent {
            by_check: headers.iter().map(|(name, _)| name.clone()).collect(),
            message: Message {
                first_line,
                headers,
                body: body.to_vec(),
                note: None,
            },
        }
    }
}

fn split_head(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let first_line = bytes.split(|&byte| byte == b'\n').next()?;
    method_of(first_line)?;
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some((bytes.get(..end)?, bytes.get(end + 4..)?))
}

/// The method of the n-th request line in what was sent; a line of a body that looks like one counts too.
fn nth_method(sent: &[u8], n: usize) -> &str {
    let lines = sent.split(|&byte| byte == b'\n');
    lines.filter_map(method_of).nth(n).unwrap_or("GET")
}

/// The method, if the line is a request line.
fn method_of(line: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(line).ok()?.trim_end();
    let mut words = line.split(' ');
    let (method, _target, version) = (words.next()?, words.next()?, words.next()?);
    (version.starts_with("HTTP/1.") && words.next().is_none()).then_some(method)
}
