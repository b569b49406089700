//! Takes every request with an `Upgrade` for a WebSocket: a client gets the long limit for the asking.
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
    session.is_upgrade_req()
}
// END TODO
