//! Tells the upstream whole seconds: a limit below one becomes 0, and the upstream gives up at once.
//! fails: a_deadline_that_cannot_be_read_counts_as_none

// TODO 8.6
use pingora::{http::ResponseHeader, protocols::http::HttpTask};
// END TODO

// TODO 8.6
self.deadline_of(session.req_header())
// END TODO

// TODO 8.6
if is_grpc(request) {
    let limit = self.deadline_of(request);
    request.insert_header("grpc-timeout", format!("{}S", limit.as_secs()))?;
}
// END TODO

// TODO 8.6
async fn answer(session: &mut Session, error: &Error, code: u16) -> Result<()> {
    if !is_grpc(session.req_header()) {
        let body = Bytes::from(format!("{code}: the upstream did not answer\n"));
        return session.respond_error_with_body(code, body).await;
    }
    let (status, message) = match error.etype() {
        ReadTimedout => (DEADLINE_EXCEEDED, "the deadline is over"),
        _ => (UNAVAILABLE, "the upstream did not answer"),
    };
    let mut header = ResponseHeader::build(200, Some(3))?;
    header.insert_header(CONTENT_TYPE, "application/grpc")?;
    header.insert_header("grpc-status", status.to_string())?;
    header.insert_header("grpc-message", message)?;
    // Header and trailers in one ("Trailers-Only"), with the end of the stream in the same frame. The flag of
    // `write_response_header` is for the modules and ends nothing (pingora-proxy, lib.rs).
    let tasks = vec![HttpTask::Header(Box::new(header), true)];
    session.write_response_tasks(tasks).await.map(drop)
}

const DEADLINE_EXCEEDED: u16 = 4;
const UNAVAILABLE: u16 = 14;

impl Edge {
    /// What the client asks for, and no more than is granted.
    fn deadline_of(&self, request: &RequestHeader) -> Duration {
        requested(request).map_or(self.deadline, |it| it.min(self.deadline))
    }
}
// END TODO
