//! Leaving without cutting anybody off: at SIGTERM, which drains, and at SIGQUIT, where a new process takes over.
//!
//! ```ignore
//! let drain = Drain::new(&listen, Limits { stop, handover });
//! let mut conf = ServerConf::default();
//! drain.configure(&mut conf); // upgrade socket, pid file, grace period
//! let mut server = Server::new_with_opt_and_conf(Opt::parse_args(), conf);
//! server.bootstrap();
//!
//! let edge = Edge { drain: drain.clone(), .. };
//! let app = drain.watch(http_proxy(&server.configuration, edge)); // instead of http_proxy_service
//! let mut proxy = Service::new("proxy".to_owned(), app);
//! proxy.add_tcp(&listen);
//! server.add_service(proxy);
//! drain.run(server) // instead of server.run_forever()
//! ```
//!
//! In `ProxyHttp`: `new_ctx` keeps `self.drain.begin()` in the context, and both `early_request_filter` and
//! `response_filter` call `ctx.in_flight.tell(session)`. So does a `request_filter` that answers by itself after a wait.

mod lead;
mod linger;
mod supervisor;

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use pingora::{
    apps::ServerApp,
    protocols::{ALPN, SocketDigest, Stream},
    proxy::Session,
    server::{ShutdownWatch, configuration::ServerConf},
};

use linger::Lingering;

/// How long what is in flight may take. What is still there then is cut off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// After SIGTERM. A supervisor waits for it, and kills after a while: 10 s is what `docker stop` gives.
    pub(crate) stop: Duration,
    /// After a new process has the sockets. Nobody waits for the old one then, so it can be generous.
    pub(crate) handover: Duration,
}

/// What is open and in flight, and whether this process is about to leave.
#[derive(Clone)]
pub(crate) struct Drain {
    state: Arc<State>,
    limits: Limits,
    upgrade_sock: PathBuf,
    pid_file: PathBuf,
}

#[derive(Default)]
struct State {
    /// From now on every answer is the last one on its connection.
    leaving: AtomicBool,
    /// The sockets go to a new process: idle connections are kept until their next request.
    handing_over: AtomicBool,
    listening: AtomicUsize,
    connections: AtomicUsize,
    requests: AtomicUsize,
    tails: Mutex<Vec<Weak<SocketDigest>>>,
}

impl Drain {
    /// Names the files after the port: two servers on one machine must not share them, as Pingora's defaults are.
    pub(crate) fn new(listen: &str, limits: Limits) -> Self {
        // systemd sets it for `RuntimeDirectory=`.
        let folder = std::env::var_os("RUNTIME_DIRECTORY").unwrap_or_else(|| "/tmp".into());
        let port = listen.rsplit(':').next().unwrap_or_default();
        let file = |end| PathBuf::from(&folder).join(format!("edge-{port}.{end}"));
        Self {
            state: Arc::default(),
            limits,
            upgrade_sock: file("sock"),
            pid_file: file("pid"),
        }
    }

    pub(crate) fn configure(&self, conf: &mut ServerConf) {
        conf.upgrade_sock = self.upgrade_sock.display().to_string();
        conf.pid_file = self.pid_file.display().to_string();
        // Pingora sleeps it in full, whatever is in flight. `run` leaves before.
        let longest = self.limits.stop.max(self.limits.handover);
        conf.grace_period_seconds = Some(longest.as_secs() + 60);
    }

    /// Counts the connections of an app.
    pub(crate) fn watch<A>(&self, app: A) -> Watched<A> {
        self.state.listening.fetch_add(1, Ordering::AcqRel);
        Watched {
            app: Arc::new(app),
            state: Arc::clone(&self.state),
        }
    }

    /// To be kept in the context of a request: it is in flight as long as that exists.
    pub(crate) fn begin(&self) -> InFlight {
        self.state.requests.fetch_add(1, Ordering::AcqRel);
        InFlight {
            state: Arc::clone(&self.state),
            connection: None,
        }
    }
}

impl State {
    fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Acquire)
    }

    fn tails(&self) -> std::sync::MutexGuard<'_, Vec<Weak<SocketDigest>>> {
        self.tails.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// No request is in flight, and the last bytes of those that were are on their way.
    fn is_idle(&self) -> bool {
        let mut tails = self.tails();
        tails.retain(|connection| connection.strong_count() > 0);
        tails.is_empty() && self.requests.load(Ordering::Acquire) == 0
    }

    fn has_closed(&self) -> bool {
        self.listening.load(Ordering::Acquire) == 0
    }

    fn has_connections(&self) -> bool {
        self.connections.load(Ordering::Acquire) > 0
    }
}

/// One request in flight. Dropping it gives it back, whatever became of the request.
pub(crate) struct InFlight {
    state: Arc<State>,
    connection: Option<Weak<SocketDigest>>,
}

impl InFlight {
    /// Tells the client to close, if this process is about to leave. The header of an answer must not be sent yet.
    pub(crate) fn tell(&mut self, session: &mut Session) {
        if self.connection.is_none() && session.is_http2() {
            let digest = session.digest().and_then(|it| it.socket_digest.as_ref());
            self.connection = digest.map(Arc::downgrade);
        }
        if self.state.is_leaving() {
            // HTTP/1: `Connection: close`. For HTTP/2 it does nothing, and GOAWAY is sent by Pingora.
            session.set_keepalive(None);
        }
    }
}

impl Drop for InFlight {
    /// The context outlives the last write to an HTTP/1 connection (pingora-proxy, lib.rs). What HTTP/2 still has to
    /// send is known to the connection's own task alone: it is over when the connection is.
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && self.state.is_leaving()
        {
            self.state.tails().push(connection);
        }
        self.state.requests.fetch_sub(1, Ordering::AcqRel);
    }
}

/// An app whose connections are counted, from the end of the TLS handshake on.
pub(crate) struct Watched<A> {
    app: Arc<A>,
    state: Arc<State>,
}

struct Connection<'a>(&'a State);

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::AcqRel);
    }
}

#[async_trait]
impl<A: ServerApp + Send + Sync + 'static> ServerApp for Watched<A> {
    async fn process_new(
        self: &Arc<Self>,
        stream: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        self.state.connections.fetch_add(1, Ordering::AcqRel);
        let _connection = Connection(&self.state);
        let stream: Stream = match stream.selected_alpn_proto() {
            Some(ALPN::H2) => Box::new(Lingering::new(stream)),
            _ => stream,
        };
        self.app.process_new(stream, shutdown).await
    }

    /// Runs when nothing of this service listens any more. Pingora's own app drops every connection now that has no
    /// complete request header (pingora-proxy, lib.rs). After a handover that would lose a request that is on its way:
    /// the client was told that its connection is kept alive, and the new process cannot answer on it.
    async fn cleanup(&self) {
        if !self.state.handing_over.load(Ordering::Acquire) {
            self.app.cleanup().await;
        }
        self.state.listening.fetch_sub(1, Ordering::AcqRel);
    }
}
