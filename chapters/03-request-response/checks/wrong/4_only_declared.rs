//! Believes Content-Length and nothing else: a chunked upload has none.
//! fails: a_chunked_upload_is_cut_at_the_limit, one_byte_above_the_limit_is_too_much

// TODO 3.4
// END TODO

// TODO 3.4
async fn request_filter(&self, session: &mut Session, _passed: &mut u64) -> Result<bool> {
    let length = session.req_header().headers.get("content-length");
    let length: u64 = length.map_or(0, |length| length.to_str().unwrap().parse().unwrap());
    if length > self.limit {
        return Error::e_explain(HTTPStatus(413), "too large");
    }
    Ok(false)
}
// END TODO

// TODO 3.4
// END TODO
