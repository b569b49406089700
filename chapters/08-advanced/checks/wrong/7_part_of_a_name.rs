//! Looks for the name anywhere in `Upgrade`: another protocol whose name contains it gets the long limit.
//! fails: a_request_for_another_protocol_keeps_its_limit

// TODO 8.7
peer.options.read_timeout = Some(if asks_for_websocket(session) {
    self.idle
} else {
    self.read_timeout
});
// END TODO

// TODO 8.7
if response.status == 101 {
    session.set_read_timeout(Some(self.idle));
}
// END TODO

// TODO 8.7
fn asks_for_websocket(session: &Session) -> bool {
    let protocol = session.req_header().headers.get("upgrade");
    protocol.is_some_and(|it| it.as_bytes().to_ascii_lowercase().windows(9).any(|it| it == b"websocket"))
}
// END TODO
