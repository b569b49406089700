//! Raises the limits for all requests, since one of them might be a WebSocket.
//! fails: a_plain_request_keeps_its_limit, an_upload_keeps_its_limit

// TODO 8.7
peer.options.read_timeout = Some(self.idle);
session.set_read_timeout(Some(self.idle));
// END TODO

// TODO 8.7
// Done already.
// END TODO

// TODO 8.7
// Any of them might be one.
// END TODO
