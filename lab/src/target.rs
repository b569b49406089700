//! One port of the program under test.

use crate::answer::Broken;
use crate::client::{Client, RequestBuilder};
use crate::condition::short_patience;
use crate::connection::{self, Connection};
use crate::failure::raise;
use crate::handshake::{Agreement, Handshake, confirmed};
use crate::report::Report;
use crate::scene::Scene;
use crate::stream::Stream;
use crate::tls::{Dialer, Tls};
use crate::wire::Wire;
use std::net::SocketAddr;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// The variable that names the proxy's main port.
pub(crate) const LISTEN: &str = "LISTEN";

/// An address to send requests to.
#[derive(Clone, Debug)]
pub struct Target {
    name: String,
    address: SocketAddr,
    tls: Option<Dialer>,
    scene: Arc<Scene>,
}

impl Target {
    pub(crate) fn new(name: &str, address: SocketAddr, scene: Arc<Scene>) -> Self {
        Self {
            name: name.to_owned(),
            address,
            tls: None,
            scene,
        }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same port, spoken to with TLS. Connections of one such target can resume each other's sessions.
    #[track_caller]
    pub fn tls(&self, tls: Tls) -> Self {
        Self {
            tls: Some(tls.dialer()),
            ..self.clone()
        }
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

    /// A connection for a client of the check's own. That there is none fails the check.
    #[track_caller]
    pub fn stream(&self) -> impl Future<Output = Stream> {
        let at = Location::caller();
        async move {
            self.try_stream().await.unwrap_or_else(|broken| {
                let what = format!("the client got {}", broken.describe());
                let report = Report::expectation(what).at(at);
                raise(&report.in_scene(Some(self.scene())).expected("a connection"))
            })
        }
    }

    /// A TLS handshake and nothing else. Whatever happens is an outcome; expectations judge it.
    #[track_caller]
    pub fn handshake(&self) -> impl Future<Output = Handshake> {
        let at = Location::caller();
        async move {
            let Some(tls) = &self.tls else {
                raise(&Report::crash("a handshake needs .tls(...) first").at(at));
            };
            let outcome = match self.try_stream().await {
                Ok(stream) => confirmed(stream).await,
                Err(broken) => Err(broken),
            };
            let outcome = outcome.and_then(|stream| {
                let agreement = Agreement::of(&stream);
                agreement.ok_or_else(|| Broken::Tls("the server showed no certificate".to_owned()))
            });
            let asked = format!("for {}{}", tls.name, self.remark());
            Handshake::seen(outcome, asked, self.scene())
        }
    }

    /// The main port is open when the proxy counts as started. The others belong to services of their own, which may
    /// need a moment more.
    pub(crate) async fn open(&self) -> Connection {
        Connection::open(self.address, self.tls.as_ref(), self.grace()).await
    }

    async fn try_stream(&self) -> Result<Stream, Broken> {
        connection::stream(self.address, self.tls.as_ref(), self.grace()).await
    }

    fn grace(&self) -> Duration {
        if self.name == LISTEN {
            Duration::ZERO
        } else {
            short_patience()
        }
    }

    /// What a client names as the host: what it asks for in the handshake too.
    pub(crate) fn host(&self) -> String {
        match &self.tls {
            Some(tls) => format!("{}:{}", tls.name, self.address.port()),
            None => self.address.to_string(),
        }
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
