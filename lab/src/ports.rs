//! Ports for servers: below the range from which the kernel takes the ports of clients.

use crate::failure::raise;
use crate::lock;
use crate::report::Report;
use std::collections::HashSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::RangeInclusive;
use std::sync::Mutex;

const RANGE: RangeInclusive<u16> = 10_000..=29_999;
/// Beyond so many misses in a row nearly every port is taken.
const ATTEMPTS: usize = 1000;

static TAKEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);

/// An address on which nobody listens now, and which this process was never given before. Another process may be
/// quicker to use it.
pub(crate) fn free_address() -> SocketAddr {
    with_free_address(TcpListener::bind).1
}

/// Binds something to a free address; what `bind` refuses is tried elsewhere.
pub(crate) fn with_free_address<T>(bind: impl Fn(SocketAddr) -> io::Result<T>) -> (T, SocketAddr) {
    for _ in 0..ATTEMPTS {
        let port = rand::random_range(RANGE);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let fresh = lock(&TAKEN).get_or_insert_default().insert(port);
        if fresh && let Ok(bound) = bind(address) {
            return (bound, address);
        }
    }
    raise(&Report::crash(format!(
        "no free port from {} to {} on 127.0.0.1",
        RANGE.start(),
        RANGE.end()
    )))
}
