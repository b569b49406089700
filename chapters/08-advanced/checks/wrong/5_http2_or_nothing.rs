//! Offers HTTP/2 alone: clients that speak HTTP/1.1 are turned away in the handshake.
//! fails: clients_that_offer_http1_get_http1, the_upstream_gets_http2_from_every_client

// TODO 8.5
peer.options.set_http_version(2, 2);
peer.options.max_h2_streams = 100;
// END TODO

// TODO 8.5
let mut tls = tls_settings();
tls.set_alpn(pingora::listeners::ALPN::H2);
let mut options = HttpServerOptions::default();
options.h2c = true;
// END TODO
