//! Knows the protocol in lower case only: a client that writes `WebSocket` has its connection cut.
//! fails: a_handshake_that_nobody_answers_is_given_up

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
    protocol.is_some_and(|it| it == "websocket")
}
// END TODO
