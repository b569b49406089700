//! How a request ended, in one of a few words.

use pingora::{
    Error, ErrorSource,
    ErrorType::{
        ConnectError, ConnectNoRoute, ConnectProxyFailure, ConnectRefused, ConnectTimedout,
        ConnectionClosed, HTTPStatus, ReadError, ReadTimedout, SocketError, TLSHandshakeTimedout,
        WriteError, WriteTimedout,
    },
};

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Outcome {
    /// An upstream's answer was passed on to its end, whatever its status.
    Answered,
    /// The proxy answered by itself.
    Local,
    /// No upstream took the connection.
    Refused,
    /// An upstream was silent too long.
    TimedOut,
    /// An upstream broke off, or what it sent is no HTTP.
    UpstreamFailed,
    /// The client left, before it had sent its request or before it had the answer.
    ClientGone,
    /// The client was there, and neither sent nor took anything for too long.
    ClientTimedOut,
    /// What is left: the client's mistake or the proxy's.
    Failed,
}

impl Outcome {
    pub(crate) fn of(error: Option<&Error>, local: bool) -> Self {
        let Some(error) = error else {
            return if local { Self::Local } else { Self::Answered };
        };
        match (error.esource(), error.etype()) {
            (_, HTTPStatus(_)) => Self::Failed,
            (
                ErrorSource::Upstream,
                ConnectTimedout | TLSHandshakeTimedout | ReadTimedout | WriteTimedout,
            ) => Self::TimedOut,
            (
                ErrorSource::Upstream,
                ConnectError | ConnectNoRoute | ConnectProxyFailure | ConnectRefused | SocketError,
            ) => Self::Refused,
            (ErrorSource::Upstream, _) => Self::UpstreamFailed,
            (ErrorSource::Downstream, ConnectionClosed | ReadError | WriteError) => {
                Self::ClientGone
            }
            (ErrorSource::Downstream, ReadTimedout | WriteTimedout) => Self::ClientTimedOut,
            (ErrorSource::Downstream | ErrorSource::Internal | ErrorSource::Unset, _) => {
                Self::Failed
            }
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Local => "local",
            Self::Refused => "refused",
            Self::TimedOut => "timed_out",
            Self::UpstreamFailed => "upstream_failed",
            Self::ClientGone => "client_gone",
            Self::ClientTimedOut => "client_timed_out",
            Self::Failed => "failed",
        }
    }
}
