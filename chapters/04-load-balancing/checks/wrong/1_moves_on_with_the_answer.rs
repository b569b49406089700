//! Reads the turn at the start and moves it on when the answer comes: who asks in between gets the same one.
//! fails: a_request_takes_its_turn_before_it_is_answered

// TODO 4.1
struct Edge {
    backends: Vec<std::net::SocketAddr>,
    turn: std::sync::atomic::AtomicUsize,
}

impl Edge {
    fn new(backends: Vec<std::net::SocketAddr>) -> std::io::Result<Self> {
        let _: Option<LoadBalancer<RoundRobin>> = None;
        Ok(Self { backends, turn: Default::default() })
    }

    fn choose(&self) -> Result<Backend> {
        let _ = MAX_ITERATIONS;
        let turn = self.turn.load(std::sync::atomic::Ordering::Relaxed);
        let backend = self.backends[turn % self.backends.len()].to_string();
        Backend::new(&backend).map_err(|_| Error::new(HTTPStatus(503)))
    }
}
// END TODO

// TODO 4.1
async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
    Ok(peer(self.choose()?))
}

async fn response_filter(
    &self,
    _session: &mut Session,
    _response: &mut pingora::http::ResponseHeader,
    _ctx: &mut (),
) -> Result<()> {
    self.turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    Ok(())
}
// END TODO
