//! Compares path and query with "/ping".
//! fails: a_query_does_not_matter

// TODO 1.1
if session.req_header().uri.to_string() != "/ping" {
    return Ok(false);
}
let mut header = ResponseHeader::build(200, None)?;
header.insert_header("content-length", 4)?;
session.write_response_header(Box::new(header), false).await?;
session.write_response_body(Some(Bytes::from_static(b"pong")), true).await?;
Ok(true)
// END TODO
