//! A WebSocket upstream that does as it is told, and a client, both on tungstenite.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use lab::{Proxy, expect, patience};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        handshake::derive_accept_key,
        protocol::{CloseFrame, Role, frame::Frame},
    },
};

/// Not at once: Pingora 0.9.1 may end a tunnel whose 101 overtakes the end of the request (pingora-proxy,
/// proxy_h1.rs, `send_body_to1`).
pub(crate) const BEFORE_THE_ANSWER: Duration = Duration::from_millis(50);

/// How often whoever talks says something. Limits in checks are many times longer.
pub(crate) const OFTEN: Duration = Duration::from_millis(50);

type Socket = WebSocketStream<TcpStream>;

/// What one connection of the upstream has seen.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) head: String,
    pub(crate) messages: Vec<Message>,
    pub(crate) closed: bool,
}

/// Accepts every handshake, and records. Ends with the test's runtime.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    orders: Arc<Mutex<Vec<UnboundedSender<Message>>>>,
}

impl Peer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        expect(listener.is_ok(), "a free port for the upstream");
        let Ok((listener, address)) =
            listener.and_then(|it| it.local_addr().map(|address| (it, address)))
        else {
            std::process::abort()
        };
        let peer = Self {
            address,
            seen: Arc::default(),
            orders: Arc::default(),
        };
        tokio::spawn(accept(listener, peer.seen.clone(), peer.orders.clone()));
        peer
    }

    /// What the n-th connection, counted from 0, has seen; nothing if there was none.
    pub(crate) fn seen<T: Default>(&self, n: usize, look: impl FnOnce(&Seen) -> T) -> T {
        lock(&self.seen).get(n).map(look).unwrap_or_default()
    }

    /// Whether this message arrives soon on the n-th connection.
    pub(crate) async fn gets(&self, n: usize, message: Message) -> bool {
        let arrives = async {
            while !self.seen(n, |it| it.messages.contains(&message)) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(patience() / 4, arrives).await.is_ok()
    }

    /// Sends on the n-th connection.
    pub(crate) fn send(&self, n: usize, message: Message) {
        if let Some(order) = lock(&self.orders).get(n) {
            _ = order.send(message);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(
    listener: TcpListener,
    seen: Arc<Mutex<Vec<Seen>>>,
    orders: Arc<Mutex<Vec<UnboundedSender<Message>>>>,
) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let (seen, orders) = (seen.clone(), orders.clone());
        tokio::spawn(async move {
            let Some(head) = read_head(&mut stream).await else {
                return;
            };
            sleep(BEFORE_THE_ANSWER).await;
            if stream.write_all(answer(&head).as_bytes()).await.is_err() {
                return;
            }
            let (order, ordered) = unbounded_channel();
            let n = {
                let mut seen = lock(&seen);
                seen.push(Seen {
                    head,
                    ..Seen::default()
                });
                lock(&orders).push(order);
                seen.len() - 1
            };
            let socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
            converse(socket, ordered, &seen, n).await;
            change(&seen, n, |it| it.closed = true);
        });
    }
}

async fn converse(
    mut socket: Socket,
    mut ordered: UnboundedReceiver<Message>,
    seen: &Mutex<Vec<Seen>>,
    n: usize,
) {
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(message)) => change(seen, n, |it| it.messages.push(message)),
                Some(Err(_)) | None => return,
            },
            Some(message) = ordered.recv() => {
                if socket.send(message).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn change(seen: &Mutex<Vec<Seen>>, n: usize, change: impl FnOnce(&mut Seen)) {
    if let Some(seen) = lock(seen).get_mut(n) {
        change(seen);
    }
}

/// Byte by byte, so that nothing behind it is read.
async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

/// Takes the first subprotocol that is offered (RFC 6455, section 4.2.2).
fn answer(head: &str) -> String {
    let key = header(head, "sec-websocket-key").unwrap_or_default();
    let accept = derive_accept_key(key.as_bytes());
    let mut answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n"
    );
    let offered = header(head, "sec-websocket-protocol").unwrap_or_default();
    if let Some(first) = offered.split(',').next().filter(|it| !it.is_empty()) {
        answer.push_str(&format!("Sec-WebSocket-Protocol: {}\r\n", first.trim()));
    }
    answer + "\r\n"
}

/// The value of a header in a head.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines
        .find(|(other, _)| other.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

/// The client's end of a WebSocket through the proxy.
pub(crate) struct Client {
    socket: Socket,
    /// The head of the answer to the handshake.
    pub(crate) head: String,
}

pub(crate) const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: chat, other\r\n\r\n";

impl Client {
    /// Shakes hands; that this comes to a 101 is expected.
    pub(crate) async fn open(proxy: &Proxy) -> Self {
        let opened = timeout(patience(), async {
            let mut stream = TcpStream::connect(proxy.address()).await.ok()?;
            stream.write_all(HANDSHAKE.as_bytes()).await.ok()?;
            let head = read_head(&mut stream).await?;
            Some((stream, head))
        })
        .await;
        let opened = opened.ok().flatten();
        let head = opened.as_ref().map_or("none", |(_, head)| head.as_str());
        let switched = head.starts_with("HTTP/1.1 101 ");
        proxy.expect(
            switched,
            format!("the answer 101 to a handshake: found {head}"),
        );
        let Some((stream, head)) = opened else {
            std::process::abort()
        };
        let socket = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
        Self { socket, head }
    }

    /// Sends, and returns whether the connection took it.
    pub(crate) async fn send(&mut self, message: Message) -> bool {
        self.socket.send(message).await.is_ok()
    }

    /// Sends one text in two frames (RFC 6455, section 5.4).
    pub(crate) async fn send_in_two(&mut self, first: &str, second: &str) {
        use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
        for (text, code, last) in [(first, Data::Text, false), (second, Data::Continue, true)] {
            let payload = text.as_bytes().to_vec();
            let frame = Frame::message(payload, OpCode::Data(code), last);
            self.send(Message::Frame(frame)).await;
        }
    }

    /// The next message; `None` when the connection is over.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        let next = timeout(patience(), self.socket.next()).await;
        expect(
            next.is_ok(),
            "a message, or the end of the connection, at the client",
        );
        next.ok().flatten()?.ok()
    }

    pub(crate) async fn close(&mut self, frame: CloseFrame) {
        self.send(Message::Close(Some(frame))).await;
    }

    /// Waits until the connection is over, whatever comes before.
    pub(crate) async fn ended(mut self) {
        while self.next().await.is_some() {}
    }
}
