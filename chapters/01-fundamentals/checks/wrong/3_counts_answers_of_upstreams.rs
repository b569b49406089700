//! Counts in response_filter, which an error never reaches.
//! fails: a_502_counts_too

// TODO 1.3
// as in the solution
// END TODO

// TODO 1.3
async fn response_filter(
    &self,
    _session: &mut Session,
    _response: &mut pingora::http::ResponseHeader,
    _ctx: &mut (),
) -> Result<()> {
    self.served.fetch_add(1, Ordering::Relaxed);
    Ok(())
}
// END TODO

// TODO 1.3
// as in the solution
// END TODO
