//! Takes the port into the key: each connection is another client.
//! fails: without_the_header_the_address_decides

// TODO 4.3
type Selection = selection::Consistent;
// END TODO

// TODO 4.3
fn key(session: &Session) -> Vec<u8> {
    if let Some(user) = session.req_header().headers.get(USER) {
        return user.as_bytes().to_vec();
    }
    let client = session.client_addr();
    client.map_or_else(Vec::new, |client| client.to_string().into_bytes())
}
// END TODO
