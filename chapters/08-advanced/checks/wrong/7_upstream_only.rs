//! Gives the upstream the limit of a WebSocket, and leaves the client with the one for uploads.
//! fails: outlives_the_limit_for_an_upload

// TODO 8.7
peer.options.read_timeout = Some(if asks_for_websocket(session) {
    self.idle
} else {
    self.read_timeout
});
// END TODO

// TODO 8.7
// The client may be silent, is it not?
// END TODO

// TODO 8.7
fn asks_for_websocket(session: &Session) -> bool {
    let protocol = session.req_header().headers.get("upgrade");
    session.is_upgrade_req()
        && protocol.is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"websocket"))
}
// END TODO
