//! Counts each try for the budget, so that retries earn retries.
//! fails: retries_are_a_share_of_the_requests_not_of_the_tries

// TODO 5.5
// as in the solution
// END TODO

// TODO 5.5
self.budget.request();
// END TODO

// TODO 5.5
fn fail_to_connect(&self, _session: &mut Session, _peer: &HttpPeer, ctx: &mut Ctx, mut error: Box<Error>) -> Box<Error> {
    error.set_retry(self.may_try_another(ctx));
    error
}

fn error_while_proxy(&self, _peer: &HttpPeer, session: &mut Session, mut error: Box<Error>, ctx: &mut Ctx, _client_reused: bool) -> Box<Error> {
    let harmless = error.esource() == &pingora::ErrorSource::Upstream
        && session.req_header().method.is_idempotent()
        && session.response_written().is_none()
        && !session.as_ref().retry_buffer_truncated();
    error.set_retry(harmless && self.may_try_another(ctx));
    error
}
// END TODO

// TODO 5.5
// as in the solution
// END TODO
