//! A name server that answers what the check tells it to, or denies, or stays silent (RFC 1035, over UDP).

use crate::condition::{Waiting, eventually};
use crate::lock;
use crate::ports::with_free_address;
use crate::report::Verdict;
use hickory_proto::op::{Message, OpCode, Query, ResponseCode};
use hickory_proto::rr::{RData, Record, RecordType};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use tokio::task::JoinSet;

/// In seconds: a cache may not hide that an answer has changed.
const TTL: u32 = 0;
/// More than any query over UDP, in bytes.
const DATAGRAM: usize = 4096;

/// A name server on a UDP port of its own. It knows no names until it is told some. Dropping it ends it.
#[derive(Debug)]
pub struct NameServer {
    address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    _task: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Zone {
    addresses: HashMap<String, Vec<IpAddr>>,
    silent: bool,
    queries: Vec<String>,
}

impl NameServer {
    /// Starts one on a free port of 127.0.0.1.
    pub async fn start() -> Self {
        let (socket, address) = with_free_address(|address| {
            let socket = UdpSocket::bind(address)?;
            socket.set_nonblocking(true)?;
            tokio::net::UdpSocket::from_std(socket)
        });
        let zone = Arc::new(Mutex::new(Zone::default()));
        let mut task = JoinSet::new();
        task.spawn(serve(socket, Arc::clone(&zone)));
        Self {
            address,
            zone,
            _task: task,
        }
    }

    /// Where it listens, over UDP.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on answers with these addresses, each to a query of its kind (A or AAAA).
    pub fn answer(&self, name: &str, addresses: impl IntoIterator<Item = impl Into<IpAddr>>) {
        let addresses = addresses.into_iter().map(Into::into).collect();
        lock(&self.zone).addresses.insert(key(name), addresses);
    }

    /// From now on denies that the name exists, as it does for every name that it was not told.
    pub fn deny(&self, name: &str) {
        lock(&self.zone).addresses.remove(&key(name));
    }

    /// From now on receives queries and answers none.
    pub fn silence(&self) {
        lock(&self.zone).silent = true;
    }

    /// Answers again.
    pub fn speak(&self) {
        lock(&self.zone).silent = false;
    }

    /// The names that were asked for, in order, in lower case and without a dot at the end.
    pub fn queries(&self) -> Vec<String> {
        lock(&self.zone).queries.clone()
    }

    /// Waits until so many queries have come.
    #[track_caller]
    pub fn wait_for_queries(&self, count: usize) -> Waiting<impl Future<Output = Verdict<()>>> {
        let what = format!("{count} queries at the name server");
        eventually(what, async move || self.queries().len() >= count)
    }

    /// How often a name was asked for; the queries for A and for AAAA count each.
    pub fn queries_for(&self, name: &str) -> usize {
        let name = key(name);
        let zone = lock(&self.zone);
        zone.queries.iter().filter(|query| **query == name).count()
    }
}

async fn serve(socket: tokio::net::UdpSocket, zone: Arc<Mutex<Zone>>) {
    let mut buffer = vec![0; DATAGRAM];
    loop {
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        let query = buffer.get(..length).unwrap_or_default();
        let answer = Message::from_vec(query).ok().and_then(|query| {
            let answer = lock(&zone).answer_to(&query)?;
            answer.to_vec().ok()
        });
        if let Some(answer) = answer {
            _ = socket.send_to(&answer, client).await;
        }
    }
}

impl Zone {
    /// `None`: silence.
    fn answer_to(&mut self, message: &Message) -> Option<Message> {
        let query = message.queries.first()?;
        let name = key(&query.name().to_ascii());
        self.queries.push(name.clone());
        if self.silent {
            return None;
        }
        let mut answer = Message::response(message.metadata.id, OpCode::Query);
        answer.metadata.recursion_desired = message.metadata.recursion_desired;
        answer.metadata.recursion_available = true;
        answer.add_query(query.clone());
        match self.addresses.get(&name) {
            Some(addresses) => {
                answer.add_answers(
                    addresses
                        .iter()
                        .filter_map(|address| record(query, *address)),
                );
            }
            None => answer.metadata.response_code = ResponseCode::NXDomain,
        }
        Some(answer)
    }
}

/// The address as a record, if it is of the kind that was asked for.
fn record(query: &Query, address: IpAddr) -> Option<Record> {
    let kind = match address {
        IpAddr::V4(_) => RecordType::A,
        IpAddr::V6(_) => RecordType::AAAA,
    };
    let asked = query.query_type() == kind;
    asked.then(|| Record::from_rdata(query.name().clone(), TTL, RData::from(address)))
}

/// Names are equal whatever their case (RFC 4343), with or without the dot at the end.
fn key(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}
