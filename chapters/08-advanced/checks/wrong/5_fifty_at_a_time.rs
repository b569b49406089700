//! Speaks HTTP/2 to the upstream, and opens a second connection for the fifty-first request.
//! fails: requests_that_run_at_once_share_a_connection

// TODO 8.5
peer.options.set_http_version(2, 2);
peer.options.max_h2_streams = 50;
// END TODO

// TODO 8.5
let mut tls = tls_settings();
tls.enable_h2();
let mut options = HttpServerOptions::default();
options.h2c = true;
// END TODO
