//! Quiet for all: nothing is at error any more, also not what somebody should look at.
//! fails: an_upstream_that_fails_has_one_line_and_is_no_abort, an_upstream_that_refuses_has_one_line_and_is_no_abort

    // TODO 7.7
    async fn logging(&self, session: &mut Session, error: Option<&Error>, _ctx: &mut ()) {
        let level = match error {
            None => Level::Info,
            Some(error) if is_abort(error) => {
                self.aborts.inc();
                Level::Info
            }
            Some(_) => Level::Info,
        };
        let status = session.response_written().map(|it| it.status.as_u16());
        let error = error.map(|it| it.etype().as_str());
        log::log!(level, "status={status:?} error={error:?}");
    }

    /// Pingora would write a line of its own, at error, for an abort too (pingora-proxy, lib.rs).
    fn suppress_error_log(&self, _session: &Session, _ctx: &(), _error: &Error) -> bool {
        true
    }
    // END TODO

// TODO 7.7
/// Whether the client closed the connection. That the upstream did, or that a client sent nonsense, is something else.
fn is_abort(error: &Error) -> bool {
    error.esource() == &ErrorSource::Downstream
        && matches!(error.etype(), ConnectionClosed | ReadError | WriteError)
}
// END TODO
