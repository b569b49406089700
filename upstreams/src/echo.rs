//! What the echo server says by default: the request, as it arrived.

use bytes::Bytes;
use serde::Serialize;

/// How much of a body is repeated in the answer, in bytes.
pub(crate) const BODY_SHOWN: usize = 4 * 1024;

/// A request as JSON. The fields stand in the order in which they are written.
#[derive(Debug, Serialize)]
pub struct Echo<'a> {
    /// The server's name.
    pub upstream: &'a str,
    /// Which connection to this server it came on, from 1.
    pub connection: u64,
    /// Which request on this connection it is, from 1.
    pub request: u64,
    /// The method.
    pub method: &'a str,
    /// The request target; in HTTP/2 the pseudo-header `:path`.
    pub target: &'a str,
    /// `HTTP/1.0`, `HTTP/1.1` or `HTTP/2`.
    pub version: &'a str,
    /// `Name: value`, in the order and spelling received.
    pub headers: Vec<String>,
    /// How long the body is, in bytes.
    pub body_bytes: u64,
    /// The body's first 4 KiB as text.
    pub body: String,
    /// Whether the body is longer than what is shown.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub body_truncated: bool,
}

impl<'a> Echo<'a> {
    /// The same request with `start`, the beginning of a body of `bytes` bytes.
    #[must_use]
    pub fn with_body(self, start: &[u8], bytes: u64) -> Echo<'a> {
        let shown = start.get(..BODY_SHOWN).unwrap_or(start);
        Echo {
            body_bytes: bytes,
            body: String::from_utf8_lossy(shown).into_owned(),
            body_truncated: bytes > shown.len() as u64,
            ..self
        }
    }

    /// Pretty-printed with two spaces a level, and a newline at the end.
    pub fn to_json(&self) -> Bytes {
        // Strings and numbers can always be written, so the default is never seen.
        let mut json = serde_json::to_vec_pretty(self).unwrap_or_default();
        json.push(b'\n');
        json.into()
    }
}
