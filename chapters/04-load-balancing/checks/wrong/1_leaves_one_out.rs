//! Takes the remainder of one too few, and never reaches the last backend.
//! fails: everybody_gets_the_same_number, nobody_is_asked_twice_before_all_were

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
        let turn = self.turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let last = self.backends.len() - 1;
        let backend = self.backends[turn % last.max(1)].to_string();
        Backend::new(&backend).map_err(|_| Error::new(HTTPStatus(503)))
    }
}
// END TODO

// TODO 4.1
// as in the solution
// END TODO
