//! Lifts the limits from a WebSocket and sets none: a peer that vanished without a word is waited for for ever.
//! fails: ends_on_both_sides_when_both_are_silent, a_handshake_that_nobody_answers_is_given_up

// TODO 8.7
peer.options.read_timeout = (!asks_for_websocket(session)).then_some(self.read_timeout);
peer.options.idle_timeout = Some(self.idle);
// END TODO

// TODO 8.7
if response.status == 101 {
    session.set_read_timeout(None);
}
// END TODO

// TODO 8.7
fn asks_for_websocket(session: &Session) -> bool {
    let protocol = session.req_header().headers.get("upgrade");
    session.is_upgrade_req()
        && protocol.is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"websocket"))
}
// END TODO
