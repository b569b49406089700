//! The kinds of traffic that are compared.

use clap::ValueEnum;

/// One kind of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Case {
    /// Small answers over HTTP/1.1
    Small,
    /// Answers of 1 MiB over HTTP/1.1
    Big,
    /// Small answers over HTTP/1.1 and TLS 1.3
    Tls,
    /// Answers of 1 MiB over HTTP/1.1 and TLS 1.3
    BigTls,
    /// Small answers over HTTP/2 and TLS 1.3
    Http2,
}

/// How a client speaks to a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http1Tls,
    Http2Tls,
}

impl Case {
    pub(crate) const ALL: [Self; 5] =
        [Self::Small, Self::Big, Self::Tls, Self::BigTls, Self::Http2];

    pub(crate) fn protocol(self) -> Protocol {
        match self {
            Self::Small | Self::Big => Protocol::Http1,
            Self::Tls | Self::BigTls => Protocol::Http1Tls,
            Self::Http2 => Protocol::Http2Tls,
        }
    }

    pub(crate) fn is_big(self) -> bool {
        matches!(self, Self::Big | Self::BigTls)
    }

    pub(crate) fn path(self) -> &'static str {
        if self.is_big() { "/big" } else { "/small" }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Small => "small answers, HTTP/1.1",
            Self::Big => "answers of 1 MiB, HTTP/1.1",
            Self::Tls => "small answers, HTTP/1.1, TLS 1.3",
            Self::BigTls => "answers of 1 MiB, HTTP/1.1, TLS 1.3",
            Self::Http2 => "small answers, HTTP/2, TLS 1.3",
        }
    }

    /// Connections, and requests at a time on each. Both allow for 64 requests at once: more than are ever in flight
    /// at a rate that a proxy can bear.
    pub(crate) fn connections(self) -> (usize, usize) {
        match self.protocol() {
            Protocol::Http1 | Protocol::Http1Tls => (64, 1),
            Protocol::Http2Tls => (8, 8),
        }
    }
}
