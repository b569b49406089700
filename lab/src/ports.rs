//! Ports for servers: below the range from which the kernel takes the ports of clients.
//!
//! A check names a port to a program that binds it a moment later. So that no other check takes it meanwhile, in this
//! process or in another, a process takes ports by the block, and nobody else takes any of a block that is claimed.

use crate::failure::raise;
use crate::lock;
use crate::report::Report;
use rand::seq::SliceRandom;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::Range;
use std::sync::Mutex;
use tokio::net::TcpSocket;

const RANGE: Range<u16> = 10_000..30_000;
const BLOCK: u16 = 100;

static MINE: Mutex<Mine> = Mutex::new(Mine::new());

/// What this process has claimed.
struct Mine {
    /// Those that nobody was given yet.
    ports: Vec<u16>,
    /// A block is claimed as long as its first port is bound for UDP, which ends with the process at the latest.
    claims: Vec<UdpSocket>,
}

impl Mine {
    const fn new() -> Self {
        Self {
            ports: Vec::new(),
            claims: Vec::new(),
        }
    }

    fn next(&mut self) -> Option<u16> {
        if self.ports.is_empty() {
            self.claim()?;
        }
        self.ports.pop()
    }

    /// Claims a block that no process has.
    fn claim(&mut self) -> Option<()> {
        let mut blocks: Vec<u16> = RANGE.step_by(BLOCK.into()).collect();
        blocks.shuffle(&mut rand::rng());
        let claimed = |first| Some((first, UdpSocket::bind(local(first)).ok()?));
        let (first, claim) = blocks.into_iter().find_map(claimed)?;
        self.claims.push(claim);
        self.ports.extend(first + 1..first + BLOCK);
        // A port that was used a moment ago by a process that has ended may still be busy.
        self.ports.shuffle(&mut rand::rng());
        Some(())
    }
}

/// An address on which nobody listens now, and which no other check is given as long as this process lives.
pub(crate) fn free_address() -> SocketAddr {
    with_free_address(bind).1
}

/// Binds and does not listen. A program that another test starts meanwhile has a copy of every socket until it is
/// executed: one that listens would keep the port from whom it is named to, and take connections in its place.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Binds something to a free address; what `bind` refuses is tried elsewhere.
pub(crate) fn with_free_address<T>(bind: impl Fn(SocketAddr) -> io::Result<T>) -> (T, SocketAddr) {
    // Out of the statement of the loop, or the lock would be held while something is bound.
    let next = || lock(&MINE).next();
    while let Some(port) = next() {
        let address = local(port);
        if let Ok(bound) = bind(address) {
            return (bound, address);
        }
    }
    raise(&Report::crash(format!(
        "no free port from {} to {} on 127.0.0.1",
        RANGE.start,
        RANGE.end - 1
    )))
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_port_is_handed_out_twice() {
        let ports: HashSet<SocketAddr> = (0..250).map(|_| free_address()).collect();
        assert_eq!(ports.len(), 250);
    }

    #[test]
    fn another_process_has_blocks_of_its_own() {
        let mut here = Mine::new();
        let mut there = Mine::new();
        let ours: HashSet<u16> = (0..250).filter_map(|_| here.next()).collect();
        let theirs: HashSet<u16> = (0..250).filter_map(|_| there.next()).collect();
        assert_eq!((ours.len(), theirs.len()), (250, 250));
        assert!(ours.is_disjoint(&theirs));
    }
}
