//! Notes fail_to_proxy, which sees every error, but not fail_to_connect.
//! fails: a_failed_connect_has_another_story

// TODO 1.2
// as in the solution
// END TODO

// TODO 1.2
async fn fail_to_proxy(
    &self,
    session: &mut Session,
    _error: &Error,
    trace: &mut Trace,
) -> FailToProxy {
    self.enter(trace, "fail_to_proxy");
    let _ = bad_gateway(session, self.told(trace)).await;
    FailToProxy {
        error_code: 502,
        can_reuse_downstream: false,
    }
}
// END TODO
