//! Tells the client in response_filter only, which an error never reaches.
//! fails: an_error_carries_the_id_too

// TODO 2.4
async fn response_filter(
    &self,
    _session: &mut Session,
    response: &mut pingora::http::ResponseHeader,
    id: &mut String,
) -> Result<()> {
    response.insert_header(REQUEST_ID, id.as_str())
}

async fn logging(&self, session: &mut Session, _error: Option<&Error>, id: &mut String) {
    log::info!("{} id={id}", session.request_summary());
}
// END TODO

// TODO 2.4
// as in the solution
// END TODO
