//! Pingora's own line stays: an abort is still an error in the log, and what fails upstream is there twice.
//! fails: a_download_that_the_client_leaves_is_counted_and_quiet, an_upload_that_the_client_leaves_is_counted_and_quiet, a_client_that_does_not_wait_for_the_answer_is_counted_and_quiet, an_upstream_that_fails_has_one_line_and_is_no_abort, an_upstream_that_refuses_has_one_line_and_is_no_abort

    // TODO 7.7
    async fn logging(&self, session: &mut Session, error: Option<&Error>, _ctx: &mut ()) {
        let level = match error {
            None => Level::Info,
            Some(error) if is_abort(error) => {
                self.aborts.inc();
                Level::Info
            }
            Some(_) => Level::Error,
        };
        let status = session.response_written().map(|it| it.status.as_u16());
        let error = error.map(|it| it.etype().as_str());
        log::log!(level, "status={status:?} error={error:?}");
    }
    // END TODO

// TODO 7.7
/// Whether the client closed the connection. That the upstream did, or that a client sent nonsense, is something else.
fn is_abort(error: &Error) -> bool {
    error.esource() == &ErrorSource::Downstream
        && matches!(error.etype(), ConnectionClosed | ReadError | WriteError)
}
// END TODO
