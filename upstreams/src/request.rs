//! A request, whichever version of HTTP it came by.

use crate::echo::{BODY_SHOWN, Echo};
use bytes::Bytes;

pub(crate) struct Request {
    /// Which connection to this server it came on, from 1.
    pub(crate) connection: u64,
    /// Which request on this connection it is, from 1.
    pub(crate) number: u64,
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) version: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Received,
}

/// A body that was read to its end: counted, and only its start kept.
#[derive(Default)]
pub(crate) struct Received {
    pub(crate) bytes: u64,
    pub(crate) start: Vec<u8>,
}

impl Received {
    pub(crate) fn add(&mut self, piece: &Bytes) {
        self.bytes += piece.len() as u64;
        let room = BODY_SHOWN.saturating_sub(self.start.len());
        self.start.extend(piece.iter().take(room));
    }
}

impl Request {
    /// The path, and the query without its question mark. A target that has none (`*`) is its own path.
    pub(crate) fn path_and_query(&self) -> (&str, &str) {
        let origin = origin_form(&self.target);
        origin.split_once('?').unwrap_or((origin, ""))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(header, _)| header.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Whether a header that is a comma-separated list contains the token.
    pub(crate) fn lists(&self, name: &str, token: &str) -> bool {
        let headers = self
            .headers
            .iter()
            .filter(|(header, _)| header.eq_ignore_ascii_case(name));
        let mut items = headers.flat_map(|(_, value)| value.split(','));
        items.any(|item| item.trim().eq_ignore_ascii_case(token))
    }

    pub(crate) fn echo<'a>(&'a self, upstream: &'a str) -> Echo<'a> {
        let echo = Echo {
            upstream,
            connection: self.connection,
            request: self.number,
            method: &self.method,
            target: &self.target,
            version: &self.version,
            headers: self
                .headers
                .iter()
                .map(|(name, value)| format!("{name}: {value}"))
                .collect(),
            body_bytes: 0,
            body: String::new(),
            body_truncated: false,
        };
        echo.with_body(&self.body.start, self.body.bytes)
    }

    /// The one log line of the request. `status` is `-` if it is closed without an answer.
    pub(crate) fn log(&self, upstream: &str, status: impl std::fmt::Display) {
        log::info!(
            target: "upstreams",
            "{upstream} connection={} request={} {} {} {status} body_bytes={}",
            self.connection,
            self.number,
            escaped(&self.method),
            escaped(&self.target),
            self.body.bytes
        );
    }
}

/// A server must accept the absolute form too (RFC 9112, section 3.2.2).
fn origin_form(target: &str) -> &str {
    let Some((scheme, rest)) = target.split_once("://") else {
        return target;
    };
    if target.starts_with('/')
        || !(scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"))
    {
        return target;
    }
    rest.find(['/', '?'])
        .and_then(|start| rest.get(start..))
        .unwrap_or("/")
}

/// Fit for a line of a log: ASCII, no control characters, bounded.
pub(crate) fn escaped(text: &str) -> String {
    const LONGEST: usize = 256;
    let mut escaped: String = text
        .chars()
        .take(LONGEST)
        .flat_map(char::escape_default)
        .collect();
    if text.chars().nth(LONGEST).is_some() {
        escaped.push_str("...");
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_targets_have_a_path() {
        for (target, origin) in [
            ("/a?b", "/a?b"),
            ("*", "*"),
            ("http://host:80/a?b", "/a?b"),
            ("HTTP://host", "/"),
            ("https://host?b", "?b"),
            ("/go?to=http://host/x", "/go?to=http://host/x"),
            ("ftp://host/x", "ftp://host/x"),
        ] {
            assert_eq!(origin_form(target), origin);
        }
    }

    #[test]
    fn a_log_line_cannot_be_forged() {
        assert_eq!(escaped("/a\u{85}\r\nb\u{e9}"), "/a\\u{85}\\r\\nb\\u{e9}");
        let long = escaped(&"\u{1f600}".repeat(10_000));
        assert!(long.len() < 256 * 12 && long.ends_with("..."));
    }
}
