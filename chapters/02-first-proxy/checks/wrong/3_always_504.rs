//! Calls everything that an upstream does wrong too slow.
//! fails: a_refused_connection_is_502

// TODO 2.3
// as in the solution
// END TODO

// TODO 2.3
async fn fail_to_proxy(
    &self,
    session: &mut Session,
    _error: &Error,
    _ctx: &mut (),
) -> FailToProxy {
    let _ = session.respond_error(504).await;
    FailToProxy {
        error_code: 504,
        can_reuse_downstream: false,
    }
}
// END TODO

// TODO 2.3
use pingora::proxy::FailToProxy;
// END TODO
