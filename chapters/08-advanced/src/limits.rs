//! What one client may take of the proxy: time and memory. Pingora has limits of its own, wider ones, or none.

use std::time::{Duration, Instant};

use http::header;
use pingora::{Error, ErrorType::HTTPStatus, Result, http::RequestHeader, proxy::Session};

#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// `CLIENT_TIMEOUT_MS`: how long a client may owe the next piece of its body, or take nothing.
    pub(crate) wait: Duration,
    /// `HEADER_TIMEOUT_MS`: within this the whole next header is there, idle time included.
    pub(crate) header_time: Duration,
    /// `HEADER_FIELDS`: lines of a header. Pingora's own limit is 256.
    pub(crate) header_fields: usize,
    /// `HEADER_LIMIT`: bytes of a header. Pingora's own limit is a mebibyte.
    pub(crate) header_size: usize,
    /// `BODY_TIMEOUT_MS`: within this the whole body is there.
    pub(crate) body_time: Duration,
    /// `BODY_LIMIT`: bytes of a body.
    pub(crate) body_size: usize,
    /// `TUNNEL_IDLE_MS`: how long a WebSocket may be silent, in both directions.
    pub(crate) tunnel_idle: Duration,
}

impl Limits {
    /// For what this client owes from now on.
    pub(crate) fn set_timeouts(&self, session: &mut Session) {
        let tunnel = asks_for_websocket(session);
        session.set_read_timeout(Some(if tunnel { self.tunnel_idle } else { self.wait }));
        session.set_write_timeout(Some(self.wait));
        // What is left of a body that nobody wants is read for this long, so that the connection can be used again.
        session.set_total_drain_timeout(Some(self.wait));
    }

    /// What can be refused before anything is sent anywhere.
    ///
    /// # Errors
    /// The status to answer with.
    pub(crate) fn check_header(&self, request: &RequestHeader) -> Result<()> {
        if request.headers.len() > self.header_fields {
            return Error::e_explain(HTTPStatus(431), "too many header fields");
        }
        if size(request) > self.header_size {
            return Error::e_explain(HTTPStatus(431), "header too long");
        }
        let declared = request.headers.get(header::CONTENT_LENGTH);
        let declared = declared.and_then(|it| it.to_str().ok()?.parse::<u64>().ok());
        if declared.is_some_and(|it| it > self.body_size as u64) {
            return Error::e_explain(HTTPStatus(413), "body too long, as declared");
        }
        Ok(())
    }
}

/// Whether this is what Pingora passes on as an upgrade (pingora-proxy, proxy_common.rs). Of any other protocol it drops
/// the name, and nobody gets the long limit for the asking.
pub(crate) fn asks_for_websocket(session: &Session) -> bool {
    let protocol = session.req_header().headers.get(header::UPGRADE);
    session.is_upgrade_req()
        && protocol.is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// As in HTTP/1.1: the target, and each field with `: ` and a line's end.
fn size(request: &RequestHeader) -> usize {
    let fields = request.headers.iter();
    let fields = fields.map(|(name, value)| name.as_str().len() + value.len() + 4);
    request.raw_path().len() + fields.sum::<usize>()
}

/// The body of a request as it arrives. One that comes in chunks tells its length only at its end.
pub(crate) struct Upload {
    since: Instant,
    bytes: usize,
}

impl Upload {
    pub(crate) fn new(since: Instant) -> Self {
        Self { since, bytes: 0 }
    }

    /// A retry sends the same body through the filters again.
    pub(crate) fn restart(&mut self) {
        self.bytes = 0;
    }

    /// # Errors
    /// The status to answer with.
    pub(crate) fn piece(&mut self, length: usize, limits: &Limits) -> Result<()> {
        self.bytes = self.bytes.saturating_add(length);
        if self.bytes > limits.body_size {
            return Error::e_explain(HTTPStatus(413), "body too long");
        }
        // The limit for each piece does not help against a client that sends one byte each second.
        if self.since.elapsed() > limits.body_time {
            return Error::e_explain(HTTPStatus(408), "body too slow");
        }
        Ok(())
    }
}
