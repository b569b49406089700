//! A connection of a client, with TLS or without. That there is none is an outcome as well.

use crate::answer::{AnswerReader, Broken, Head};
use crate::condition::{INTERVAL, patience};
use crate::handshake::{Agreement, Handshake};
use crate::scene::Scene;
use crate::stream::Stream;
use crate::tls::Dialer;
use bytes::Bytes;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncWriteExt, WriteHalf};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// A connection, or why there is none.
#[derive(Debug)]
pub(crate) struct Connection {
    reader: Result<AnswerReader, Broken>,
    /// What the handshake led to, if there was one.
    agreement: Option<Agreement>,
    /// `None` while a request is being sent.
    writer: Option<WriteHalf<Stream>>,
    /// Requests are sent in a task of their own: an answer may come before the request is complete. Dropping this
    /// ends it.
    sending: JoinSet<WriteHalf<Stream>>,
}

impl Connection {
    /// Connects; how that ends shows at the first reading. A refusal is final once `grace` is over: until then the
    /// port may be about to open.
    pub(crate) async fn open(address: SocketAddr, tls: Option<&Dialer>, grace: Duration) -> Self {
        match stream(address, tls, grace).await {
            Ok(stream) => Self::on(stream),
            Err(broken) => Self::failed(broken),
        }
    }

    fn on(stream: Stream) -> Self {
        let agreement = Agreement::of(&stream);
        // These halves leave the connection open in both directions until both are gone.
        let (reader, writer) = tokio::io::split(stream);
        Self {
            reader: Ok(AnswerReader::new(reader)),
            agreement,
            writer: Some(writer),
            sending: JoinSet::new(),
        }
    }

    fn failed(broken: Broken) -> Self {
        Self {
            reader: Err(broken),
            agreement: None,
            writer: None,
            sending: JoinSet::new(),
        }
    }

    /// Starts to send. That the peer does not take it shows in the answer.
    pub(crate) async fn start_sending(&mut self, parts: Vec<Bytes>) {
        if let Some(mut writer) = self.free_writer().await {
            self.sending.spawn(async move {
                for part in parts {
                    if write(&mut writer, &part).await.is_err() {
                        break;
                    }
                }
                writer
            });
        }
    }

    /// Sends these bytes. `None` if the peer does not take them while patience lasts.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Option<()> {
        if let Some(writer) = &mut self.writer {
            // A peer that has closed shows when it is read from.
            _ = timeout(patience(), write(writer, bytes)).await.ok()?;
        }
        Some(())
    }

    /// Says that nothing more will be sent (FIN).
    pub(crate) async fn finish(&mut self) {
        if let Some(writer) = &mut self.writer {
            _ = writer.shutdown().await;
        }
    }

    /// How the TLS handshake went.
    pub(crate) fn handshake(&self, scene: Arc<Scene>) -> Handshake {
        let none = || Broken::Tls("there was no handshake".to_owned());
        let outcome = match (&self.reader, &self.agreement) {
            (_, Some(agreement)) => Ok(agreement.clone()),
            (Err(broken), None) => Err(broken.clone()),
            (Ok(_), None) => Err(none()),
        };
        Handshake::of(outcome, scene)
    }

    pub(crate) fn reader(&mut self) -> Result<&mut AnswerReader, Broken> {
        self.reader.as_mut().map_err(|broken| broken.clone())
    }

    pub(crate) async fn head(&mut self, method: &str) -> Result<Head, Broken> {
        self.reader()?.head(method).await
    }

    pub(crate) async fn piece(&mut self, most: u64) -> Result<Option<Bytes>, Broken> {
        self.reader()?.piece(most).await
    }

    /// How long each reading may take from now on.
    pub(crate) fn set_patience(&mut self, patience: Duration) {
        if let Ok(reader) = &mut self.reader {
            reader.patience = patience;
        }
    }

    pub(crate) fn trailers(&self) -> Vec<(String, String)> {
        let reader = self.reader.as_ref();
        reader.map_or_else(|_| Vec::new(), |reader| reader.trailers.clone())
    }

    pub(crate) async fn is_open(&mut self) -> bool {
        match &mut self.reader {
            Ok(reader) => reader.is_open().await,
            Err(_) => false,
        }
    }

    /// The writing half, once the request before is sent. One that nobody reads to its end makes it useless.
    async fn free_writer(&mut self) -> Option<WriteHalf<Stream>> {
        match self.writer.take() {
            Some(writer) => Some(writer),
            None => {
                let sent = timeout(patience(), self.sending.join_next()).await;
                sent.ok().flatten()?.ok()
            }
        }
    }
}

/// Connects, and does the handshake if there is one to do.
pub(crate) async fn stream(
    address: SocketAddr,
    tls: Option<&Dialer>,
    grace: Duration,
) -> Result<Stream, Broken> {
    let stream = connect(address, grace).await?;
    _ = stream.set_nodelay(true);
    let Some(tls) = tls else {
        return Ok(stream.into());
    };
    let handshake = tls.connector().connect(tls.server_name(), stream);
    match timeout(patience(), handshake).await {
        Ok(Ok(stream)) => Ok(tokio_rustls::TlsStream::from(stream).into()),
        Ok(Err(error)) => Err(Broken::from_reading(&error)),
        Err(_) => Err(Broken::Nothing(patience())),
    }
}

async fn connect(address: SocketAddr, grace: Duration) -> Result<TcpStream, Broken> {
    let deadline = Instant::now() + grace;
    loop {
        match timeout(patience(), TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(_)) if Instant::now() < deadline => sleep(INTERVAL).await,
            Ok(Err(error)) => return Err(Broken::from_connect(&error)),
            Err(_) => return Err(Broken::Nothing(patience())),
        }
    }
}

/// With TLS, what was written may still wait to be sent.
async fn write(writer: &mut WriteHalf<Stream>, bytes: &[u8]) -> io::Result<()> {
    writer.write_all(bytes).await?;
    writer.flush().await
}
