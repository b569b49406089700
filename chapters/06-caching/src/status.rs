//! Cache-Status: what the cache did, for whoever asks why (RFC 9211).

use std::fmt::{self, Display, Formatter};

/// The name of this cache in the field.
const NAME: &str = "edge";

/// Why a request was passed on (RFC 9211, section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forwarded {
    Bypass,
    Method,
    UriMiss,
    VaryMiss,
    Request,
    Stale,
}

/// The members of the field, in the order of RFC 9211, section 2.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CacheStatus {
    /// `None`: it was a hit.
    pub(crate) forwarded: Option<Forwarded>,
    /// What the upstream answered, where the client gets another status.
    pub(crate) upstream: Option<u16>,
    /// How long it is still fresh, in seconds; less than 0 if it is stale.
    pub(crate) ttl: Option<i64>,
    pub(crate) stored: bool,
    /// Another request brought the answer, and this one waited for it.
    pub(crate) collapsed: bool,
    pub(crate) detail: Option<&'static str>,
}

impl Display for CacheStatus {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)?;
        match self.forwarded {
            None => f.write_str("; hit")?,
            Some(why) => write!(f, "; fwd={}", why.as_str())?,
        }
        if let Some(status) = self.upstream {
            write!(f, "; fwd-status={status}")?;
        }
        if let Some(ttl) = self.ttl {
            write!(f, "; ttl={ttl}")?;
        }
        if self.stored {
            f.write_str("; stored")?;
        }
        if self.collapsed {
            f.write_str("; collapsed")?;
        }
        match self.detail {
            // A token: letters and hyphens only.
            Some(detail) => write!(f, "; detail={detail}"),
            None => Ok(()),
        }
    }
}

impl Forwarded {
    fn as_str(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Request => "request",
            Self::Stale => "stale",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_structured_field() {
        let status = CacheStatus {
            forwarded: Some(Forwarded::Stale),
            upstream: Some(304),
            ttl: Some(-3),
            stored: true,
            collapsed: false,
            detail: Some("stale-if-error"),
        };
        let text = status.to_string();
        assert_eq!(
            text,
            "edge; fwd=stale; fwd-status=304; ttl=-3; stored; detail=stale-if-error"
        );
        assert!(sfv::Parser::parse_list(text.as_bytes()).is_ok());
        assert_eq!(CacheStatus::default().to_string(), "edge; hit");
    }
}
