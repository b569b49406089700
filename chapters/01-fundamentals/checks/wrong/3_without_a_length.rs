//! The admin's answer has no Content-Length: a second question on the same connection is never answered.
//! fails: asking_does_not_count

// TODO 1.3
use http::{Response, header};
use pingora_core::{
    apps::http_app::ServeHttp, protocols::http::ServerSession, services::listening::Service,
};

struct Admin {
    served: Arc<AtomicU64>,
}

#[async_trait]
impl ServeHttp for Admin {
    async fn response(&self, _session: &mut ServerSession) -> Response<Vec<u8>> {
        Response::new(format!("served: {}\n", self.served.load(Ordering::Relaxed)).into_bytes())
    }
}
// END TODO

// TODO 1.3
// as in the solution
// END TODO

// TODO 1.3
// as in the solution
// END TODO
