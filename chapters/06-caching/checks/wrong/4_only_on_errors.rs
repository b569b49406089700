//! Serves what is stale instead of an error, and makes everybody wait for what is new.
//! fails: what_is_stale_is_the_answer_while_a_new_one_is_fetched

// TODO 6.4
fn should_serve_stale(&self, _session: &mut Session, _stale: &mut bool, error: Option<&Error>) -> bool {
    error.is_some_and(|error| *error.esource() == ErrorSource::Upstream)
}

async fn fail_to_proxy(&self, session: &mut Session, error: &Error, stale: &mut bool) -> FailToProxy {
    let status = match status_of(error) {
        502 if *stale => 504,
        status => status,
    };
    answer_failure(session, status).await
}
// END TODO

// TODO 6.4
// as in the solution
// END TODO
