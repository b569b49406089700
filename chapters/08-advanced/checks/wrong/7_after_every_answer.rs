//! Gives the client the long limit with every answer, so an upload that has stopped keeps its connection.
//! fails: an_upload_keeps_its_limit_once_its_answer_has_begun

// TODO 8.7
peer.options.read_timeout = Some(if asks_for_websocket(session) {
    self.idle
} else {
    self.read_timeout
});
// END TODO

// TODO 8.7
session.set_read_timeout(Some(self.idle));
// END TODO

// TODO 8.7
/// What Pingora passes on as an upgrade (pingora-proxy, proxy_common.rs): of any other it drops the header, and that
/// request keeps its limits.
fn asks_for_websocket(session: &Session) -> bool {
    let protocol = session.req_header().headers.get("upgrade");
    session.is_upgrade_req()
        && protocol.is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"websocket"))
}
// END TODO
