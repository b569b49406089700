//! Tries everything again that got no answer, whatever it was.
//! fails: what_is_not_idempotent_is_never_sent_twice, a_kept_connection_is_no_excuse_to_send_a_post_twice

// TODO 5.5
// as in the solution
// END TODO

// TODO 5.5
// as in the solution
// END TODO

// TODO 5.5
async fn early_request_filter(&self, _session: &mut Session, _ctx: &mut Ctx) -> Result<()> {
    self.budget.request();
    Ok(())
}

fn fail_to_connect(&self, _session: &mut Session, _peer: &HttpPeer, ctx: &mut Ctx, mut error: Box<Error>) -> Box<Error> {
    error.set_retry(self.may_try_another(ctx));
    error
}

fn error_while_proxy(&self, _peer: &HttpPeer, session: &mut Session, mut error: Box<Error>, ctx: &mut Ctx, _client_reused: bool) -> Box<Error> {
    let harmless = error.esource() == &pingora::ErrorSource::Upstream
        && session.response_written().is_none()
        && !session.as_ref().retry_buffer_truncated();
    error.set_retry(harmless && self.may_try_another(ctx));
    error
}
// END TODO

// TODO 5.5
// as in the solution
// END TODO
