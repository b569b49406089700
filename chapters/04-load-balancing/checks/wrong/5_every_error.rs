//! Answers every failure like this, also those of a backend that is up.
//! fails: a_backend_that_is_up_and_breaks_is_502

// TODO 4.5
async fn answer(&self, session: &mut Session, status: u16) -> Result<()> {
    let body = serde_json::json!({ "error": "no backend is up", "status": status }).to_string();
    let mut header = pingora::protocols::http::ServerSession::generate_error(status);
    header.insert_header("content-type", "application/json")?;
    header.insert_header("retry-after", self.health_interval.as_secs().max(1))?;
    header.set_content_length(body.len())?;
    session.write_error_response(header, body.into()).await
}
// END TODO

// TODO 4.5
// as in the solution
// END TODO

// TODO 4.5
// as in the solution
// END TODO
