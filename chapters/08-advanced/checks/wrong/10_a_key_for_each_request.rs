//! Has room for every connection, and a key for each request: nothing that is kept is ever found again.
//! fails: busy_clients_use_connections_again, a_new_client_uses_the_connection_of_one_before

// TODO 8.10
use std::sync::atomic::{AtomicU64, Ordering};
use pingora::listeners::{L4BufferSettings, ListenerConfig};
// END TODO

// TODO 8.10
// as in the solution
// END TODO

// TODO 8.10
// as in the solution
// END TODO

// TODO 8.10
// as in the solution
// END TODO

// TODO 8.10
fn reuse_key(_session: &Session) -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
// END TODO
