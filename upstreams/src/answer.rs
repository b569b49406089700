//! An answer as data: what to say, when, and how to end. `h1` and `h2` carry it out.

use crate::http1::Framing;
use crate::request::Request;
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use std::time::{Duration, SystemTime};

pub(crate) struct Answer {
    /// How long to wait before the head.
    pub(crate) delay: Duration,
    pub(crate) status: u16,
    /// Names in the spelling in which HTTP/1.1 sends them; without what frames the body.
    pub(crate) headers: Vec<(String, HeaderValue)>,
    /// What the head promises. `None`: no body.
    pub(crate) framing: Framing,
    pub(crate) content: Content,
    /// Sent only after chunked content.
    pub(crate) trailers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) ending: Ending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// As HTTP wants it.
    Complete,
    /// The connection closes (the HTTP/2 stream is reset) after the content, before the body is complete.
    Cut,
    /// The connection closes (the stream is reset) without a byte.
    Silent,
    /// The head is all of HTTP; WebSocket frames follow.
    WebSocket,
}

/// What a body consists of, piece by piece.
pub(crate) enum Content {
    Text(Bytes),
    /// So many bytes of a block that repeats.
    Filler {
        block: Bytes,
        left: u64,
    },
    /// Lines, numbered, with a pause between them.
    Lines {
        next: u64,
        last: u64,
        every: Duration,
    },
}

impl Content {
    /// The next piece, and how long to wait before it.
    pub(crate) fn next_piece(&mut self) -> Option<(Duration, Bytes)> {
        match self {
            Self::Text(text) if text.is_empty() => None,
            Self::Text(text) => Some((Duration::ZERO, std::mem::take(text))),
            Self::Filler { left: 0, .. } => None,
            Self::Filler { block, left } => {
                let length = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(block.len());
                *left -= length as u64;
                Some((Duration::ZERO, block.slice(..length)))
            }
            Self::Lines { next, last, .. } if *next > *last => None,
            Self::Lines { next, last, every } => {
                let pause = if *next == 1 { Duration::ZERO } else { *every };
                let line = format!("line {next} of {last}\n");
                *next += 1;
                Some((pause, line.into()))
            }
        }
    }
}

impl Answer {
    pub(crate) fn text(status: u16, text: impl Into<Bytes>) -> Self {
        let text = text.into();
        let length = text.len() as u64;
        Self::new(
            status,
            "text/plain; charset=utf-8",
            Framing::Length(length),
            Content::Text(text),
        )
    }

    pub(crate) fn echo(status: u16, request: &Request, upstream: &str) -> Self {
        let json = request.echo(upstream).to_json();
        Self {
            headers: vec![content_type("application/json")],
            ..Self::text(status, json)
        }
    }

    pub(crate) fn new(status: u16, kind: &'static str, framing: Framing, content: Content) -> Self {
        Self {
            delay: Duration::ZERO,
            status,
            headers: vec![content_type(kind)],
            framing,
            content,
            trailers: Vec::new(),
            ending: Ending::Complete,
        }
    }

    /// Adds the header, in the place of those with that name.
    pub(crate) fn set(&mut self, name: &str, value: HeaderValue) {
        self.headers
            .retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value));
    }

    /// Adds what every answer carries, and takes away what this status or method does not allow.
    pub(crate) fn finish(mut self, method: &str, upstream: &HeaderValue) -> Self {
        if !self
            .headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("date"))
        {
            let now = httpdate::fmt_http_date(SystemTime::now());
            self.headers.extend(
                HeaderValue::try_from(now)
                    .ok()
                    .map(|now| ("date".to_owned(), now)),
            );
        }
        self.set("server", HeaderValue::from_static("upstreams"));
        self.set("x-upstream", upstream.clone());
        // RFC 9110, sections 15.2, 15.3.5, 15.3.6 and 15.4.5.
        let framing = match self.status {
            100..=199 | 204 | 304 => Framing::None,
            205 => Framing::Length(0),
            _ => self.framing,
        };
        if framing != self.framing {
            self.headers
                .retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
            self.framing = framing;
            self.drop_content();
        }
        if method == "HEAD" {
            self.drop_content();
        }
        self
    }

    fn drop_content(&mut self) {
        self.content = Content::Text(Bytes::new());
        self.trailers.clear();
        if self.ending == Ending::Cut {
            self.ending = Ending::Complete;
        }
    }
}

fn content_type(kind: &'static str) -> (String, HeaderValue) {
    ("content-type".to_owned(), HeaderValue::from_static(kind))
}
