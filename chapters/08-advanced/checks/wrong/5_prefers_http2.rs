//! Would rather speak HTTP/2 to the upstream, but takes HTTP/1.1: without TLS nobody is there to choose.
//! fails: the_upstream_gets_http2_from_every_client, the_upstream_gets_the_clients_host_as_authority, requests_that_run_at_once_share_a_connection

// TODO 8.5
peer.options.set_http_version(2, 1);
peer.options.max_h2_streams = 100;
// END TODO

// TODO 8.5
let mut tls = tls_settings();
tls.enable_h2();
let mut options = HttpServerOptions::default();
options.h2c = true;
// END TODO
