//! One port of the program under test.

use crate::client::{Client, RequestBuilder};
use crate::condition::short_patience;
use crate::connection::Connection;
use crate::scene::Scene;
use crate::wire::Wire;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The variable that names the proxy's main port.
pub(crate) const LISTEN: &str = "LISTEN";

/// An address to send requests to.
#[derive(Clone, Debug)]
pub struct Target {
    name: String,
    address: SocketAddr,
    scene: Arc<Scene>,
}

impl Target {
    pub(crate) fn new(name: &str, address: SocketAddr, scene: Arc<Scene>) -> Self {
        Self {
            name: name.to_owned(),
            address,
            scene,
        }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A GET request on a connection of its own.
    pub fn get(&self, path: impl Into<String>) -> RequestBuilder {
        self.request("GET", path)
    }

    /// A POST request on a connection of its own.
    pub fn post(&self, path: impl Into<String>) -> RequestBuilder {
        self.request("POST", path)
    }

    /// A HEAD request on a connection of its own.
    pub fn head(&self, path: impl Into<String>) -> RequestBuilder {
        self.request("HEAD", path)
    }

    /// A request on a connection of its own.
    pub fn request(&self, method: impl Into<String>, path: impl Into<String>) -> RequestBuilder {
        RequestBuilder::new(self.clone(), None, method, path)
    }

    /// A client with one kept-alive connection. If nobody listens, each of its requests says so.
    pub async fn client(&self) -> Client {
        Client::new(self.clone(), self.open().await)
    }

    /// A connection to be used byte by byte. If nobody listens, reading from it says so.
    pub async fn connect(&self) -> Wire {
        Wire::new(self.clone(), self.open().await)
    }

    /// The main port is open when the proxy counts as started. The others belong to services of their own, which may
    /// need a moment more.
    pub(crate) async fn open(&self) -> Connection {
        let grace = if self.name == LISTEN {
            Duration::ZERO
        } else {
            short_patience()
        };
        Connection::open(self.address, grace).await
    }

    pub(crate) fn scene(&self) -> Arc<Scene> {
        Arc::clone(&self.scene)
    }

    /// Names the port where it is not the main one.
    pub(crate) fn remark(&self) -> String {
        if self.name == LISTEN {
            String::new()
        } else {
            format!(" (to {})", self.name)
        }
    }
}
