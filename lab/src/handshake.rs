//! How a TLS handshake went. That the server refused it is an outcome as well.

use crate::answer::Broken;
use crate::certificate::{Certificate, describe};
use crate::condition::{INTERVAL, short_patience};
use crate::expectation::Expected;
use crate::message::Message;
use crate::report::Report;
use crate::scene::{Scene, Sent};
use crate::stream::{Stream, alpn};
use crate::tls::TlsVersion;
use rustls::{HandshakeKind, ProtocolVersion};
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsStream;

/// A handshake that has ended, one way or the other. Expectations judge it.
#[derive(Clone, Debug)]
pub struct Handshake {
    /// What both sides agreed on, or why they did not.
    outcome: Result<Agreement, Broken>,
    scene: Arc<Scene>,
}

/// What a client knows once the handshake is done.
#[derive(Clone, Debug)]
pub(crate) struct Agreement {
    certificate: Vec<u8>,
    alpn: Option<String>,
    version: TlsVersion,
    resumed: bool,
}

impl Handshake {
    /// Shows it as an exchange of its own.
    pub(crate) fn seen(
        outcome: Result<Agreement, Broken>,
        asked: String,
        scene: Arc<Scene>,
    ) -> Self {
        let exchange = scene.begin(Sent {
            message: Message::remark(format!("(a TLS handshake {asked})")),
            by_check: Vec::new(),
        });
        let handshake = Self { outcome, scene };
        exchange.set_answer(Message::remark(format!("({})", handshake.describe())));
        handshake
    }

    /// Of a connection on which more is sent.
    pub(crate) fn of(outcome: Result<Agreement, Broken>, scene: Arc<Scene>) -> Self {
        Self { outcome, scene }
    }

    /// Whether there is a connection.
    pub fn is_agreed(&self) -> bool {
        self.outcome.is_ok()
    }

    /// Whether one side ended it. That nobody listens or answers is something else.
    pub fn is_refused(&self) -> bool {
        let ends =
            |broken: &Broken| matches!(broken, Broken::Tls(_) | Broken::Closed | Broken::Reset);
        self.outcome.as_ref().is_err_and(ends)
    }

    /// Why there is no connection.
    pub fn refusal(&self) -> Option<String> {
        self.outcome.as_ref().err().map(Broken::describe)
    }

    /// The agreed protocol, if both sides named one.
    pub fn alpn(&self) -> Option<&str> {
        self.outcome.as_ref().ok()?.alpn.as_deref()
    }

    /// The agreed version.
    pub fn version(&self) -> Option<TlsVersion> {
        Some(self.outcome.as_ref().ok()?.version)
    }

    /// Whether it took up an earlier session.
    pub fn is_resumed(&self) -> bool {
        self.outcome.as_ref().is_ok_and(|it| it.resumed)
    }

    /// Whether the server showed this certificate.
    pub fn shows(&self, certificate: &Certificate) -> bool {
        let outcome = self.outcome.as_ref();
        outcome.is_ok_and(|it| it.certificate.as_slice() == certificate.der().as_ref())
    }

    /// Expects that there is a connection.
    #[track_caller]
    pub fn expect_agreed(&self) -> Expected<'_, Self> {
        self.judge(self.is_agreed(), "a TLS connection")
    }

    /// Expects that there is none.
    #[track_caller]
    pub fn expect_refused(&self) -> Expected<'_, Self> {
        self.judge(self.is_refused(), "a refused handshake")
    }

    /// Expects that the server showed this certificate.
    #[track_caller]
    pub fn expect_certificate(&self, certificate: &Certificate) -> Expected<'_, Self> {
        let wanted = format!("the certificate of {certificate:?}");
        self.judge(self.shows(certificate), &wanted)
    }

    /// Expects that both sides agreed on this protocol.
    #[track_caller]
    pub fn expect_alpn(&self, protocol: &str) -> Expected<'_, Self> {
        let wanted = format!("the protocol {protocol}");
        self.judge(self.alpn() == Some(protocol), &wanted)
    }

    /// Expects this version.
    #[track_caller]
    pub fn expect_version(&self, version: TlsVersion) -> Expected<'_, Self> {
        self.judge(self.version() == Some(version), name_of(version))
    }

    /// Expects that it took up an earlier session.
    #[track_caller]
    pub fn expect_resumed(&self) -> Expected<'_, Self> {
        self.judge(self.is_resumed(), "a resumed session")
    }

    #[track_caller]
    fn judge(&self, holds: bool, wanted: &str) -> Expected<'_, Self> {
        let report = Report::expectation(format!("the client got {}", self.describe()));
        let report = report.in_scene(Some(Arc::clone(&self.scene)));
        Expected::new(self, (!holds).then_some(report.expected(wanted)))
    }

    /// `TLS 1.3 with the certificate of one.test, serial 0a1b, and http/1.1`
    fn describe(&self) -> String {
        let agreement = match &self.outcome {
            Ok(agreement) => agreement,
            Err(broken @ Broken::Tls(_)) => return broken.describe(),
            Err(broken) => return format!("no TLS connection: {}", broken.describe()),
        };
        let resumed = if agreement.resumed { ", resumed," } else { "" };
        let protocol = agreement.alpn.as_deref();
        format!(
            "{}{resumed} with the certificate of {} and {}",
            name_of(agreement.version),
            describe(&agreement.certificate),
            protocol.unwrap_or("no agreed protocol"),
        )
    }
}

impl Agreement {
    /// `None` if the stream is not a TLS one whose handshake is done.
    pub(crate) fn of(stream: &Stream) -> Option<Self> {
        let (_, connection) = stream.tls()?.get_ref();
        Some(Self {
            certificate: connection.peer_certificates()?.first()?.to_vec(),
            alpn: alpn(connection.alpn_protocol()),
            version: match connection.protocol_version()? {
                ProtocolVersion::TLSv1_2 => TlsVersion::V1_2,
                _ => TlsVersion::V1_3,
            },
            resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
        })
    }
}

/// With TLS 1.3 a client is done before the server has seen its certificate: a refusal, or the tickets that show that
/// there is none, come as the next thing (RFC 8446, sections 4.4.2 and 4.6.1). What is read here is lost.
pub(crate) async fn confirmed(mut stream: Stream) -> Result<Stream, Broken> {
    let mut byte = [0];
    let confirmed = async {
        while !has_tickets(&stream) {
            match timeout(INTERVAL, stream.read(&mut byte)).await {
                Ok(Ok(0)) => return Err(Broken::Closed),
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(error)) => return Err(Broken::from_reading(&error)),
                // Tickets are no bytes for a reader, so they do not wake one.
                Err(_) => {}
            }
        }
        Ok(())
    };
    match timeout(short_patience(), confirmed).await {
        Ok(Err(broken)) => Err(broken),
        // Also a server that sends no tickets.
        Ok(Ok(())) | Err(_) => Ok(stream),
    }
}

fn has_tickets(stream: &Stream) -> bool {
    match stream.tls() {
        Some(TlsStream::Client(stream)) => {
            let (_, connection): (&TcpStream, _) = stream.get_ref();
            connection.protocol_version() == Some(ProtocolVersion::TLSv1_2)
                || connection.tls13_tickets_received() > 0
        }
        _ => true,
    }
}

fn name_of(version: TlsVersion) -> &'static str {
    match version {
        TlsVersion::V1_2 => "TLS 1.2",
        TlsVersion::V1_3 => "TLS 1.3",
    }
}
