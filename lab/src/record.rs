//! What an upstream saw, byte for byte and request by request.

use crate::lock;
use crate::message::Message;
use crate::request::Request;
use crate::scene::Scene;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, Weak};

/// Everything one upstream received.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) address: SocketAddr,
    seen: Mutex<Seen>,
    scene: Mutex<Weak<Scene>>,
}

#[derive(Debug, Default)]
struct Seen {
    requests: Vec<Request>,
    connections: Vec<Connection>,
}

#[derive(Debug, Default)]
struct Connection {
    bytes: Vec<u8>,
    requests: usize,
    ended: bool,
    tls: Tls,
    /// Why what came is no request.
    trouble: Option<String>,
}

/// How far the handshake of a connection came.
#[derive(Debug, Default, PartialEq, Eq)]
enum Tls {
    /// There was none, or it has not begun.
    #[default]
    None,
    /// The client asked for this name, or for none.
    Greeted(Option<String>),
    /// The same, and then it failed; `None` where no greeting came.
    Failed(Option<String>),
}

impl Record {
    pub(crate) fn new(address: SocketAddr) -> Arc<Self> {
        Arc::new(Self {
            address,
            seen: Mutex::default(),
            scene: Mutex::new(Weak::new()),
        })
    }

    pub(crate) fn scene(&self) -> Option<Arc<Scene>> {
        lock(&self.scene).upgrade()
    }

    pub(crate) fn set_scene(&self, scene: &Arc<Scene>) {
        *lock(&self.scene) = Arc::downgrade(scene);
    }

    /// `the upstream`, or `upstream 2` where there are several.
    pub(crate) fn name(&self) -> String {
        let scene = self.scene();
        let upstreams = scene.as_ref().map_or(&[][..], |scene| scene.upstreams());
        let position = upstreams
            .iter()
            .position(|other| std::ptr::eq(other.as_ref(), self));
        match position {
            Some(index) if upstreams.len() > 1 => format!("upstream {}", index + 1),
            _ => "the upstream".to_owned(),
        }
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        lock(&self.seen).requests.clone()
    }

    pub(crate) fn request(&self, index: usize) -> Option<Request> {
        lock(&self.seen).requests.get(index).cloned()
    }

    /// How many requests arrived, complete or not.
    pub(crate) fn count(&self) -> usize {
        lock(&self.seen).requests.len()
    }

    pub(crate) fn connections(&self) -> usize {
        lock(&self.seen).connections.len()
    }

    pub(crate) fn open_connections(&self) -> usize {
        let seen = lock(&self.seen);
        seen.connections.iter().filter(|one| !one.ended).count()
    }

    /// What arrived on the connection so far; empty if there was no such connection.
    pub(crate) fn bytes(&self, connection: usize) -> Vec<u8> {
        let seen = lock(&self.seen);
        let connection = seen.connections.get(connection);
        connection.map_or_else(Vec::new, |connection| connection.bytes.clone())
    }

    /// Whether nothing more can come of the last request.
    pub(crate) fn last_has_ended(&self) -> bool {
        let seen = lock(&self.seen);
        seen.requests.last().is_some_and(|request| {
            let connection = seen.connections.get(request.connection);
            request.complete || connection.is_some_and(|connection| connection.ended)
        })
    }

    /// The last of the requests from this one on, or what came instead of one.
    pub(crate) fn last_since(&self, first: usize) -> Option<Message> {
        let seen = lock(&self.seen);
        let requests = seen.requests.get(first..).unwrap_or_default();
        let Some(last) = requests.last() else {
            return seen.connections.last()?.remains();
        };
        let mut message = last.message();
        match requests.len() - 1 {
            0 => {}
            1 => message.note = Some("and 1 request before it".to_owned()),
            count => message.note = Some(format!("and {count} requests before it")),
        }
        Some(message)
    }

    /// A connection was accepted. Returns its number.
    pub(crate) fn open(&self) -> usize {
        let mut seen = lock(&self.seen);
        seen.connections.push(Connection::default());
        seen.connections.len() - 1
    }

    pub(crate) fn end(&self, connection: usize) {
        self.update(connection, |connection| connection.ended = true);
    }

    /// A client has begun a handshake and asked for this name, or for none.
    pub(crate) fn greeted(&self, connection: usize, name: Option<String>) {
        self.update(connection, |connection| connection.tls = Tls::Greeted(name));
    }

    /// A handshake failed.
    pub(crate) fn refused(&self, connection: usize, why: String) {
        self.update(connection, |connection| {
            connection.tls = match std::mem::take(&mut connection.tls) {
                Tls::Greeted(name) => Tls::Failed(name),
                _ => Tls::Failed(None),
            };
            connection.trouble = Some(format!("the TLS handshake failed: {why}"));
        });
    }

    /// What the clients asked for, connection by connection; those that have asked nothing are left out.
    pub(crate) fn server_names(&self) -> Vec<Option<String>> {
        let seen = lock(&self.seen);
        let asked = seen.connections.iter().filter_map(|one| match &one.tls {
            Tls::None => None,
            Tls::Greeted(name) | Tls::Failed(name) => Some(name.clone()),
        });
        asked.collect()
    }

    pub(crate) fn failed_handshakes(&self) -> usize {
        let seen = lock(&self.seen);
        let failed = |one: &&Connection| matches!(one.tls, Tls::Failed(_));
        seen.connections.iter().filter(failed).count()
    }

    pub(crate) fn trouble(&self, connection: usize, what: String) {
        self.update(connection, |connection| connection.trouble = Some(what));
    }

    pub(crate) fn received(&self, connection: usize, bytes: &[u8]) {
        self.update(connection, |connection| {
            connection.bytes.extend_from_slice(bytes);
        });
    }

    /// A request's head was read. Returns the request's index.
    pub(crate) fn begin(&self, mut request: Request) -> usize {
        let mut seen = lock(&self.seen);
        if let Some(connection) = seen.connections.get_mut(request.connection) {
            connection.requests += 1;
            request.number = connection.requests;
        }
        seen.requests.push(request);
        seen.requests.len() - 1
    }

    pub(crate) fn change(&self, request: usize, change: impl FnOnce(&mut Request)) {
        if let Some(request) = lock(&self.seen).requests.get_mut(request) {
            change(request);
        }
    }

    fn update(&self, connection: usize, change: impl FnOnce(&mut Connection)) {
        if let Some(connection) = lock(&self.seen).connections.get_mut(connection) {
            change(connection);
        }
    }
}

impl Connection {
    /// What came and did not become a request.
    fn remains(&self) -> Option<Message> {
        if self.requests > 0 || (self.bytes.is_empty() && self.trouble.is_none()) {
            return None;
        }
        let mut message = Message::bytes(&self.bytes);
        let trouble = self.trouble.as_deref();
        message.note = Some(format!("({})", trouble.unwrap_or("an incomplete request")));
        Some(message)
    }
}
