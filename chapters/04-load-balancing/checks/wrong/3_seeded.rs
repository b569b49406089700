//! Hashes the key with the standard library's RandomState, whose seed is another one in each process.
//! fails: a_restart_changes_nothing_nor_does_the_order_of_upstreams

// TODO 4.3
type Selection = selection::Consistent;
// END TODO

// TODO 4.3
fn key(session: &Session) -> Vec<u8> {
    use std::hash::{BuildHasher, RandomState};
    static SEED: std::sync::LazyLock<RandomState> = std::sync::LazyLock::new(RandomState::new);
    let user = session.req_header().headers.get(USER).map(|user| user.as_bytes().to_vec());
    let client = session.client_addr().and_then(|client| client.as_inet()).map(|client| client.ip());
    SEED.hash_one((user.is_none().then_some(client), user)).to_le_bytes().to_vec()
}
// END TODO
