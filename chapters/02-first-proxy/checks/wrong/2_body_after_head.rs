//! Sends the body to HEAD too.
//! fails: head_tells_the_length_without_a_body

// TODO 2.2
if session.req_header().uri.path() != "/healthz" {
    return Ok(false);
}
let body = Bytes::from_static(br#"{"status":"ok"}"#);
let mut header = ResponseHeader::build(200, None)?;
if !["GET", "HEAD"].contains(&session.req_header().method.as_str()) {
    header = ResponseHeader::build(405, None)?;
    header.insert_header("allow", "GET, HEAD")?;
}
header.insert_header("content-type", "application/json")?;
header.insert_header("cache-control", "no-store")?;
if session.req_header().method != "HEAD" {
    header.insert_header("content-length", body.len())?;
}
session.write_response_header(Box::new(header), false).await?;
session.write_response_body(Some(body), true).await?;
Ok(true)
// END TODO

// TODO 2.2
use bytes::Bytes;
use pingora::http::ResponseHeader;
// END TODO
