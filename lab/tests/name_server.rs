//! The name server answers, denies and stays silent as told.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use lab::NameServer;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::timeout;

const WAIT: Duration = Duration::from_secs(10);

async fn ask(server: &NameServer, name: &str, kind: RecordType) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut query = Message::query();
    query.add_query(Query::query(Name::from_str(name).unwrap(), kind));
    let query = query.to_vec().unwrap();
    socket.send_to(&query, server.address()).await.unwrap();
    socket
}

async fn answer(server: &NameServer, name: &str, kind: RecordType) -> (ResponseCode, Vec<IpAddr>) {
    let socket = ask(server, name, kind).await;
    let mut buffer = [0; 4096];
    let length = timeout(WAIT, socket.recv(&mut buffer))
        .await
        .unwrap()
        .unwrap();
    let message = Message::from_vec(&buffer[..length]).unwrap();
    let addresses = message
        .answers
        .iter()
        .filter_map(|record| record.data.ip_addr());
    (message.metadata.response_code, addresses.collect())
}

#[tokio::test]
async fn answers_what_it_was_told() {
    let server = NameServer::start().await;
    let v4 = IpAddr::from(Ipv4Addr::new(10, 0, 0, 1));
    server.answer("backend.test", [v4]);
    let known = answer(&server, "Backend.Test.", RecordType::A).await;
    assert_eq!(known, (ResponseCode::NoError, vec![v4]));
    let other_kind = answer(&server, "backend.test.", RecordType::AAAA).await;
    assert_eq!(other_kind, (ResponseCode::NoError, vec![]));
    let unknown = answer(&server, "other.test.", RecordType::A).await;
    assert_eq!(unknown, (ResponseCode::NXDomain, vec![]));
    server.deny("backend.test");
    let denied = answer(&server, "backend.test.", RecordType::A).await;
    assert_eq!(denied, (ResponseCode::NXDomain, vec![]));
    assert_eq!(server.queries_for("backend.test"), 3);
    assert_eq!(server.queries()[2], "other.test");
}

#[tokio::test]
async fn stays_silent_until_told_to_speak() {
    let server = NameServer::start().await;
    server.silence();
    let socket = ask(&server, "a.test.", RecordType::A).await;
    server.wait_for_queries(1).await;
    assert_eq!(server.queries(), ["a.test"]);
    server.speak();
    answer(&server, "b.test.", RecordType::A).await;
    assert!(socket.try_recv(&mut [0; 512]).is_err());
}
