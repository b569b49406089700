//! Ends the upload at the limit in good order, and makes 413 of what the upstream answers: that one has stored a part.
//! fails: the_upstream_never_takes_a_part_for_the_whole, the_next_request_gets_another_connection_to_the_upstream

// TODO 3.4
if *passed > self.limit {
    *body = None;
}
// END TODO

// TODO 3.4
async fn request_filter(&self, session: &mut Session, _passed: &mut u64) -> Result<bool> {
    match declared_length(session) {
        Some(length) if length > self.limit => Err(self.too_large()),
        _ => Ok(false),
    }
}

async fn response_filter(
    &self,
    _session: &mut Session,
    response: &mut pingora::http::ResponseHeader,
    passed: &mut u64,
) -> Result<()> {
    if *passed > self.limit {
        response.set_status(413)?;
    }
    Ok(())
}
// END TODO

// TODO 3.4
// as in the solution
// END TODO
