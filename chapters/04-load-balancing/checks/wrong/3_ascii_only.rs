//! Reads the user as text: who is called Zoë has none, and all of them come to the same backend.
//! fails: a_name_beyond_ascii_is_a_name

// TODO 4.3
// as in the solution
// END TODO

// TODO 4.3
fn key(session: &Session) -> Vec<u8> {
    let user = session.req_header().headers.get(USER);
    if let Some(user) = user.and_then(|user| user.to_str().ok()) {
        return user.as_bytes().to_vec();
    }
    let client = session.client_addr().and_then(|client| client.as_inet());
    client.map_or_else(Vec::new, |client| client.ip().to_string().into_bytes())
}
// END TODO
