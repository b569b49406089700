//! respond_error answers whatever status it is given, and closes the connection.
//! fails: the_connection_stays_open

// TODO 2.2
if session.req_header().uri.path() != "/healthz" {
    return Ok(false);
}
session.respond_error_with_body(200, bytes::Bytes::from_static(br#"{"status":"ok"}"#)).await?;
Ok(true)
// END TODO

// TODO 2.2
// END TODO
