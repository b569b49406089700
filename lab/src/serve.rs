//! One connection of an upstream: reads requests, records them, answers as it was told to.

use crate::record::Record;
use crate::reply::{Act, Answer, Reply};
use crate::request::Request;
use crate::stream::Stream;
use rustls::ServerConfig;
use std::future::pending;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio_rustls::{LazyConfigAcceptor, TlsStream};
use upstreams::Echo;
use upstreams::http1::{Head, ReadError, Reader};

/// What the connections of one upstream share.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) record: Arc<Record>,
    pub(crate) behaviour: Behaviour,
    pub(crate) gate: Semaphore,
    /// With this it speaks TLS.
    pub(crate) tls: Option<Arc<ServerConfig>>,
}

/// How an upstream answers.
#[derive(Debug)]
pub(crate) enum Behaviour {
    /// With what it received.
    Echo,
    /// With one reply after the other; the last one repeats.
    Script(Vec<Reply>),
}

/// How the upstream ends a connection.
enum End {
    Finish,
    Reset,
}

/// What becomes of a connection after an answer.
enum After {
    KeepOpen,
    End(End),
}

/// Serves the connection until one side ends it; as soon as `cut` changes, it is reset.
pub(crate) async fn serve(stream: TcpStream, service: Arc<Service>, mut cut: watch::Receiver<()>) {
    _ = stream.set_nodelay(true);
    let record = Arc::clone(&service.record);
    let number = record.open();
    let shaken = tokio::select! {
        shaken = service.shake(stream, number) => shaken,
        _ = cut.changed() => None,
    };
    let Some(stream) = shaken else {
        record.end(number);
        return;
    };
    let (read, write) = tokio::io::split(stream);
    let mut write = Writer(write);
    let mut connection = Connection {
        reader: Reader::new(Tap {
            stream: read,
            record: Arc::clone(&record),
            number,
        }),
        number,
        service,
    };
    let end = tokio::select! {
        end = connection.converse(&mut write) => end,
        _ = cut.changed() => End::Reset,
    };
    record.end(number);
    match end {
        End::Finish => {
            _ = write.0.shutdown().await;
            // With unread bytes in its buffer the kernel would send a reset instead.
            tokio::select! {
                _ = drain(connection.reader) => {}
                _ = cut.changed() => {}
            }
        }
        End::Reset => {
            let (tap, _) = connection.reader.into_parts();
            let stream = tap.stream.unsplit(write.0);
            _ = stream.tcp().set_zero_linger();
        }
    }
}

async fn drain(reader: Reader<Tap>) {
    let (mut stream, _) = reader.into_parts();
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(1..) = stream.read(&mut buffer).await {}
}

struct Connection {
    reader: Reader<Tap>,
    number: usize,
    service: Arc<Service>,
}

impl Connection {
    async fn converse(&mut self, write: &mut Writer) -> End {
        let mut read_ahead = None;
        loop {
            let head = match read_ahead.take() {
                Some(head) => head,
                None => self.reader.head().await,
            };
            let head = match head {
                Ok(Some(head)) => head,
                Ok(None) => return End::Finish,
                Err(error) => {
                    self.service.record.trouble(self.number, error.to_string());
                    return End::Finish;
                }
            };
            let request = self.begin(&head);
            let reply = self.service.reply(request);
            match reply.as_ref().map(|reply| &reply.act) {
                Some(Act::Reset) => return End::Reset,
                Some(Act::StopReading) => pending().await,
                _ => {}
            }
            if let Some(reply) = reply.as_ref().filter(|reply| reply.early) {
                let after = self.service.answer(reply, &head, write).await;
                let whole = self.read_body(&head, request, write).await.is_ok();
                match after {
                    Ok(After::KeepOpen) if whole => continue,
                    Ok(After::End(end)) => return end,
                    _ => return End::Finish,
                }
            }
            if self.read_body(&head, request, write).await.is_err() {
                return End::Finish;
            }
            let reply = reply.unwrap_or_else(|| self.service.echo(request));
            let answer = self.service.answer(&reply, &head, write);
            let mut answer = std::pin::pin!(answer);
            // Who waits for an answer may go: that is seen meanwhile.
            let after = loop {
                tokio::select! {
                    after = &mut answer => break after,
                    next = self.reader.head(), if read_ahead.is_none() => {
                        if !matches!(next, Ok(Some(_))) {
                            self.service.record.end(self.number);
                        }
                        read_ahead = Some(next);
                    }
                }
            };
            match after {
                Ok(After::KeepOpen) => {}
                Ok(After::End(end)) => return end,
                Err(_) => return End::Finish,
            }
        }
    }

    fn begin(&self, head: &Head) -> usize {
        self.service.record.begin(Request {
            method: head.method.clone(),
            target: head.target.clone(),
            version: head.version.clone(),
            headers: head.headers.clone(),
            body: Vec::new(),
            trailers: Vec::new(),
            complete: false,
            connection: self.number,
            number: 0,
            record: Arc::downgrade(&self.service.record),
        })
    }

    async fn read_body(
        &mut self,
        head: &Head,
        request: usize,
        write: &mut Writer,
    ) -> Result<(), ReadError> {
        let record = &self.service.record;
        if head.expects_continue() {
            write
                .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
                .await
                .map_err(ReadError::Io)?;
        }
        while let Some(piece) = self.reader.body_piece().await? {
            record.change(request, |request| request.body.extend_from_slice(&piece));
        }
        let trailers = self.reader.trailers().to_vec();
        record.change(request, |request| {
            request.trailers = trailers;
            request.complete = true;
        });
        Ok(())
    }
}

impl Service {
    /// The handshake, if this upstream speaks TLS; `None` if it failed.
    async fn shake(&self, stream: TcpStream, number: usize) -> Option<Stream> {
        let Some(config) = &self.tls else {
            return Some(stream.into());
        };
        let record = &self.record;
        let accepted = async {
            let start = LazyConfigAcceptor::new(Default::default(), stream).await?;
            let name = start.client_hello().server_name().map(str::to_owned);
            record.greeted(number, name);
            start.into_stream(Arc::clone(config)).await
        };
        match accepted.await {
            Ok(stream) => Some(TlsStream::from(stream).into()),
            Err(error) => {
                record.refused(number, error.to_string());
                None
            }
        }
    }

    /// The scripted reply to a request, which the record counts from 0.
    fn reply(&self, request: usize) -> Option<Reply> {
        match &self.behaviour {
            Behaviour::Echo => None,
            Behaviour::Script(replies) => replies.get(request).or(replies.last()).cloned(),
        }
    }

    /// What arrived, as the echo server says it.
    fn echo(&self, request: usize) -> Reply {
        let Some(request) = self.record.request(request) else {
            return Reply::status(500);
        };
        let headers = request.headers.iter();
        let echo = Echo {
            upstream: &self.record.address.to_string(),
            connection: request.connection as u64 + 1,
            request: request.number as u64,
            method: &request.method,
            target: &request.target,
            version: &request.version,
            headers: headers
                .map(|(name, value)| format!("{name}: {value}"))
                .collect(),
            body_bytes: 0,
            body: String::new(),
            body_truncated: false,
        };
        let echo = echo.with_body(&request.body, request.body.len() as u64);
        Reply::json(200, String::from_utf8_lossy(&echo.to_json()))
    }

    async fn answer(&self, reply: &Reply, head: &Head, write: &mut Writer) -> io::Result<After> {
        if reply.gate {
            self.wait_at_gate().await;
        }
        if let Some(delay) = reply.delay {
            tokio::time::sleep(delay).await;
        }
        let last = reply.close || !head.keep_alive();
        match &reply.act {
            Act::Answer(answer) => self.write(answer, reply, head, last, write).await?,
            Act::Raw(bytes) => self.write_raw(bytes, reply, write).await?,
            Act::Nothing => {}
            Act::Reset => return Ok(After::End(End::Reset)),
            Act::Stall | Act::StopReading => pending().await,
        }
        Ok(if last {
            After::End(End::Finish)
        } else {
            After::KeepOpen
        })
    }

    async fn write(
        &self,
        answer: &Answer,
        reply: &Reply,
        head: &Head,
        last: bool,
        write: &mut Writer,
    ) -> io::Result<()> {
        write.write_all(answer.head(last).as_bytes()).await?;
        if head.method == "HEAD" {
            return Ok(());
        }
        for (index, unit) in answer.body(reply.drip.is_some()).iter().enumerate() {
            if index > 0 && answer.gated {
                self.wait_at_gate().await;
            }
            if let Some(pause) = reply.drip.filter(|_| index > 0) {
                tokio::time::sleep(pause).await;
            }
            write.write_all(unit).await?;
        }
        write.write_all(answer.end().as_bytes()).await
    }

    async fn write_raw(&self, bytes: &[u8], reply: &Reply, write: &mut Writer) -> io::Result<()> {
        let Some(pause) = reply.drip else {
            return write.write_all(bytes).await;
        };
        for byte in bytes {
            write.write_all(&[*byte]).await?;
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    async fn wait_at_gate(&self) {
        // The semaphore is never closed.
        if let Ok(permit) = self.gate.acquire().await {
            permit.forget();
        }
    }
}

/// The writing half of a connection. With TLS, what was written may still wait to be sent.
struct Writer(WriteHalf<Stream>);

impl Writer {
    async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await?;
        self.0.flush().await
    }
}

/// The reading half of a connection; what passes is recorded before anyone interprets it.
struct Tap {
    stream: ReadHalf<Stream>,
    record: Arc<Record>,
    number: usize,
}

impl AsyncRead for Tap {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let fresh = buffer.filled().get(before..).unwrap_or_default();
        self.record.received(self.number, fresh);
        Poll::Ready(Ok(()))
    }
}
