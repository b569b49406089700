//! Leaves the port without TLS with HTTP/1.1.
//! fails: clients_with_prior_knowledge_get_http2_without_tls, http2_requests_with_headers_of_a_connection_are_refused

// TODO 8.5
peer.options.set_http_version(2, 2);
peer.options.max_h2_streams = 100;
// END TODO

// TODO 8.5
let mut tls = tls_settings();
tls.enable_h2();
let options = HttpServerOptions::default();
// END TODO
