//! Takes the option for the port without TLS to be for both.
//! fails: clients_that_offer_both_get_http2

// TODO 8.5
peer.options.set_http_version(2, 2);
peer.options.max_h2_streams = 100;
// END TODO

// TODO 8.5
let tls = tls_settings();
let mut options = HttpServerOptions::default();
options.h2c = true;
// END TODO
