//! A server behind the proxy, which the check owns: it answers as told and remembers all that came.

use crate::certificate::Certificate;
use crate::condition::{Waiting, in_vain, until};
use crate::expectation::Expected;
use crate::failure::raise;
use crate::ports::{self, with_free_address};
use crate::record::Record;
use crate::reply::{Act, Reply};
use crate::report::{Report, Verdict};
use crate::request::Request;
use crate::serve::{Behaviour, Service, serve};
use crate::tls::server_config;
use rustls::ServerConfig;
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Mutex, Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;
/// For an upstream that stops reading, in bytes: senders soon notice.
const SMALL_BUFFER: u32 = 4 * 1024;
/// Loopback answers a connect at once, or not at all because the queue is full.
const NO_ANSWER: Duration = Duration::from_millis(300);
/// More connections than fit into the shortest queue of any system.
const MOST_QUEUED: usize = 64;

/// A server for HTTP/1.1 with kept-alive connections. Dropping it ends it and resets its connections.
#[derive(Debug)]
pub struct Upstream {
    service: Arc<Service>,
    /// `None` only while it changes.
    port: Mutex<Option<Port>>,
}

/// What happens on the port.
#[derive(Debug)]
enum Port {
    Listening {
        /// Connections are cut when this changes, and when it is gone.
        cut: watch::Sender<()>,
        task: JoinHandle<()>,
    },
    /// Bound and not listening: the kernel refuses who connects.
    Refusing { _socket: TcpSocket },
    /// Listening with a full queue: the kernel drops who connects.
    Unreachable {
        _listener: TcpListener,
        _queue: Vec<TcpStream>,
    },
}

impl Upstream {
    /// Answers 200 with JSON that says what it received, the same as the echo server of `upstreams`.
    #[track_caller]
    pub fn echo() -> impl Future<Output = Self> {
        Self::serving(Behaviour::Echo, Location::caller())
    }

    /// Gives the same reply to every request.
    #[track_caller]
    pub fn always(reply: Reply) -> impl Future<Output = Self> {
        Self::serving(Behaviour::Script(vec![reply]), Location::caller())
    }

    /// Like [`Upstream::echo`], with TLS.
    #[track_caller]
    pub fn echo_with_tls(certificate: &Certificate) -> impl Future<Output = Self> {
        let tls = Some(server_config(certificate));
        Self::serving_with(Behaviour::Echo, tls, Location::caller())
    }

    /// Like [`Upstream::always`], with TLS.
    #[track_caller]
    pub fn always_with_tls(certificate: &Certificate, reply: Reply) -> impl Future<Output = Self> {
        let tls = Some(server_config(certificate));
        Self::serving_with(Behaviour::Script(vec![reply]), tls, Location::caller())
    }

    /// Gives the same reply to every request. The reply may name the address at which it is given.
    #[track_caller]
    pub fn always_at(reply: impl FnOnce(SocketAddr) -> Reply) -> impl Future<Output = Self> {
        let at = Location::caller();
        async move {
            let (socket, address) = with_free_address(ports::bind);
            let service = service(address, Behaviour::Script(vec![reply(address)]), None);
            Self::listen(socket, service, at)
        }
    }

    /// Gives one reply after the other; the last one repeats.
    #[track_caller]
    pub fn script(replies: impl IntoIterator<Item = Reply>) -> impl Future<Output = Self> {
        let replies = Vec::from_iter(replies);
        if replies.is_empty() {
            raise(&Report::crash("a script needs one reply at least"));
        }
        Self::serving(Behaviour::Script(replies), Location::caller())
    }

    /// Reads requests and never answers.
    #[track_caller]
    pub fn silent() -> impl Future<Output = Self> {
        Self::always(Reply::stall())
    }

    /// Refuses connections; [`Upstream::accept`] makes it an echo server.
    #[track_caller]
    pub fn refusing() -> impl Future<Output = Self> {
        let (socket, address) = with_free_address(reserve);
        let at = Location::caller();
        async move {
            if TcpStream::connect(address).await.is_ok() {
                let what = format!("a connection to {address}, where nobody listens, succeeded");
                raise(&Report::crash(what).at(at));
            }
            Self::on(address, Behaviour::Echo, Port::Refusing { _socket: socket })
        }
    }

    /// Gives no answer at all to who connects, as a host that is down would.
    #[track_caller]
    pub fn unreachable() -> impl Future<Output = Self> {
        let at = Location::caller();
        async move {
            let (socket, address) = with_free_address(ports::bind);
            match fill_queue(socket, address).await {
                Ok(port) => Self::on(address, Behaviour::Echo, port),
                Err(error) => raise(
                    &Report::crash(format!(
                        "this system cannot let a connect hang on 127.0.0.1: {error}"
                    ))
                    .at(at),
                ),
            }
        }
    }

    /// Where it listens, or refuses.
    pub fn address(&self) -> SocketAddr {
        self.service.record.address
    }

    /// From now on refuses connections, on the same port; those that exist are reset.
    #[track_caller]
    pub fn refuse(&self) -> impl Future<Output = ()> {
        let at = Location::caller();
        async move {
            let mut port = self.port.lock().await;
            if let Some(Port::Listening { cut, task }) = &mut *port {
                _ = cut.send(());
                _ = task.await;
                let address = self.address();
                // Connections that were closed before may still hold the port, which only sharing overcomes.
                let reserved = || reserve(address).or_else(|_| ports::bind(address));
                let socket = soon(reserved).await;
                let socket = socket.unwrap_or_else(|error| self.lost(&error, at));
                *port = Some(Port::Refusing { _socket: socket });
            }
        }
    }

    /// From now on accepts connections again, on the same port.
    #[track_caller]
    pub fn accept(&self) -> impl Future<Output = ()> {
        let at = Location::caller();
        async move {
            let mut port = self.port.lock().await;
            if let Some(Port::Refusing { .. }) = &*port {
                *port = None;
                let buffer = self.service.behaviour.buffer();
                let listen = || bind(self.address(), buffer)?.listen(BACKLOG);
                let listener = soon(listen).await;
                let listener = listener.unwrap_or_else(|error| self.lost(&error, at));
                *port = Some(listening(listener, &self.service));
            }
        }
    }

    /// Opens one gate of a reply; openings add up.
    pub fn release(&self) {
        self.service.gate.add_permits(1);
    }

    /// What arrived so far, complete or not, in order of arrival.
    pub fn requests(&self) -> Vec<Request> {
        self.service.record.requests()
    }

    /// The request that arrived last; that there was one is expected.
    #[track_caller]
    pub fn last_request(&self) -> Request {
        match self.requests().pop() {
            Some(request) => request,
            None => raise(
                &self
                    .report("got no request")
                    .expected("a request at the upstream"),
            ),
        }
    }

    /// Expects that so many requests have arrived by now.
    #[track_caller]
    pub fn expect_requests(&self, count: usize) -> Expected<'_, Self> {
        let seen = self.record().count();
        let report = self
            .report(&format!("got {}", count_requests(seen)))
            .expected(format!("{} at the upstream", count_requests(count)));
        Expected::new(self, (seen != count).then_some(report))
    }

    /// Expects that no request has arrived by now.
    #[track_caller]
    pub fn expect_no_request(&self) -> Expected<'_, Self> {
        self.expect_requests(0)
    }

    /// Waits until so many requests have arrived, complete or not.
    #[track_caller]
    pub fn wait_for_requests(&self, count: usize) -> Waiting<impl Future<Output = Verdict<()>>> {
        let what = format!("{} at the upstream", count_requests(count));
        self.wait(what, move |record| record.count() >= count)
    }

    /// Waits until the last request is complete, or its connection has ended.
    #[track_caller]
    pub fn wait_for_request_to_end(&self) -> Waiting<impl Future<Output = Verdict<()>>> {
        let what = "the end of the request at the upstream".to_owned();
        self.wait(what, Record::last_has_ended)
    }

    /// How many connections were accepted so far.
    pub fn connections(&self) -> usize {
        self.service.record.connections()
    }

    /// How many of them neither side has ended, as far as was seen.
    pub fn open_connections(&self) -> usize {
        self.service.record.open_connections()
    }

    /// The names that clients asked for in their TLS handshakes (SNI), the failed ones included, in order of arrival;
    /// `None` where a client named nothing.
    pub fn server_names(&self) -> Vec<Option<String>> {
        self.record().server_names()
    }

    /// How many TLS handshakes failed so far.
    pub fn failed_handshakes(&self) -> usize {
        self.record().failed_handshakes()
    }

    /// Expects that every client so far, and there was one, asked for this name in its TLS handshake (SNI).
    #[track_caller]
    pub fn expect_server_name(&self, name: &str) -> Expected<'_, Self> {
        let names = self.server_names();
        let right = |asked: &Option<String>| asked.as_deref() == Some(name);
        let holds = !names.is_empty() && names.iter().all(right);
        let got = match names.iter().find(|asked| !right(asked)) {
            Some(Some(other)) => format!("was asked for the name {other}"),
            Some(None) => "was asked for no name".to_owned(),
            None => "got no TLS handshake".to_owned(),
        };
        let report = self
            .report(&got)
            .expected(format!("the server name {name}"));
        Expected::new(self, (!holds).then_some(report))
    }

    /// The bytes that arrived on a connection, counted from 0; none if there was no such connection.
    pub fn bytes(&self, connection: usize) -> Vec<u8> {
        self.service.record.bytes(connection)
    }

    pub(crate) fn record(&self) -> &Arc<Record> {
        &self.service.record
    }

    fn serving(behaviour: Behaviour, at: &'static Location<'static>) -> impl Future<Output = Self> {
        Self::serving_with(behaviour, None, at)
    }

    async fn serving_with(
        behaviour: Behaviour,
        tls: Option<Arc<ServerConfig>>,
        at: &'static Location<'static>,
    ) -> Self {
        let buffer = behaviour.buffer();
        let (socket, address) = with_free_address(|address| bind(address, buffer));
        Self::listen(socket, service(address, behaviour, tls), at)
    }

    fn listen(socket: TcpSocket, service: Arc<Service>, at: &'static Location<'static>) -> Self {
        let listener = socket.listen(BACKLOG).unwrap_or_else(|error| {
            let address = service.record.address;
            raise(&Report::crash(format!("cannot listen on {address}: {error}")).at(at))
        });
        let port = listening(listener, &service);
        Self {
            service,
            port: Mutex::new(Some(port)),
        }
    }

    fn on(address: SocketAddr, behaviour: Behaviour, port: Port) -> Self {
        Self {
            service: service(address, behaviour, None),
            port: Mutex::new(Some(port)),
        }
    }

    #[track_caller]
    fn report(&self, what: &str) -> Report {
        let record = self.record();
        Report::expectation(format!("{} {what}", record.name()))
            .about_upstream(Arc::clone(record), None)
    }

    #[track_caller]
    fn wait(
        &self,
        what: String,
        holds: impl Fn(&Record) -> bool,
    ) -> Waiting<impl Future<Output = Verdict<()>>> {
        let at = Location::caller();
        Waiting::new(async move {
            let record = self.record();
            let found = until(|| holds(record).then_some(())).await;
            found.ok_or_else(|| {
                in_vain(what)
                    .at(at)
                    .about_upstream(Arc::clone(record), None)
                    .into()
            })
        })
    }

    fn lost(&self, error: &io::Error, at: &'static Location<'static>) -> ! {
        let what = format!("lost the port of {}: {error}", self.address());
        raise(&Report::crash(what).at(at))
    }
}

impl Behaviour {
    /// The receive buffer that it needs, if that is not the usual one.
    fn buffer(&self) -> Option<u32> {
        match self {
            Self::Script(replies)
                if replies
                    .iter()
                    .any(|reply| matches!(reply.act, Act::StopReading)) =>
            {
                Some(SMALL_BUFFER)
            }
            _ => None,
        }
    }
}

fn count_requests(count: usize) -> String {
    match count {
        0 => "no request".to_owned(),
        1 => "1 request".to_owned(),
        _ => format!("{count} requests"),
    }
}

fn service(
    address: SocketAddr,
    behaviour: Behaviour,
    tls: Option<Arc<ServerConfig>>,
) -> Arc<Service> {
    Arc::new(Service {
        record: Record::new(address),
        behaviour,
        gate: Semaphore::new(0),
        tls,
    })
}

/// A bound socket that will listen. It may share the port with connections that have ended.
fn bind(address: SocketAddr, receive_buffer: Option<u32>) -> io::Result<TcpSocket> {
    let socket = ports::bind(address)?;
    if let Some(size) = receive_buffer {
        socket.set_recv_buffer_size(size)?;
    }
    Ok(socket)
}

/// Binds as soon as it can be. Another test may be starting a program, which has a copy of every socket until it is
/// executed: for that moment the port of a closed socket is still in use.
async fn soon<T>(bind: impl Fn() -> io::Result<T>) -> io::Result<T> {
    match until(|| bind().ok()).await {
        Some(bound) => Ok(bound),
        None => bind(),
    }
}

/// A bound socket that will never listen. Its port is not shared, so nobody else gets it.
fn reserve(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(false)?;
    socket.bind(address)?;
    Ok(socket)
}

fn listening(listener: TcpListener, service: &Arc<Service>) -> Port {
    let (cut, watched) = watch::channel(());
    let task = tokio::spawn(accept_all(listener, Arc::clone(service), watched));
    Port::Listening { cut, task }
}

async fn accept_all(listener: TcpListener, service: Arc<Service>, mut cut: watch::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve(stream, Arc::clone(&service), cut.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
            _ = cut.changed() => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Connects until the queue is full. Some systems refuse then, instead of letting the client wait.
async fn fill_queue(socket: TcpSocket, address: SocketAddr) -> io::Result<Port> {
    let listener = socket.listen(1)?;
    let mut queue = Vec::new();
    while queue.len() < MOST_QUEUED {
        match tokio::time::timeout(NO_ANSWER, TcpStream::connect(address)).await {
            Ok(connected) => queue.push(connected?),
            Err(_) => {
                return Ok(Port::Unreachable {
                    _listener: listener,
                    _queue: queue,
                });
            }
        }
    }
    Err(io::Error::other(format!(
        "{MOST_QUEUED} connections waited and another one still got an answer"
    )))
}
