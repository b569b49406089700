//! Answers without a length: the client must wait for the end of the connection to know the end of the body.
//! fails: the_connection_stays_open_for_the_next_request

// TODO 1.1
if session.req_header().uri.path() != "/ping" {
    return Ok(false);
}
let header = ResponseHeader::build(200, None)?;
session.write_response_header(Box::new(header), false).await?;
session.write_response_body(Some(Bytes::from_static(b"pong")), true).await?;
Ok(true)
// END TODO
