//! Chooses by the client's address and port: each connection stays where it is.
//! fails: everybody_gets_the_same_number

// TODO 4.1
struct Edge {
    balancer: LoadBalancer<pingora_load_balancing::selection::FNVHash>,
}

impl Edge {
    fn new(upstreams: Vec<std::net::SocketAddr>) -> std::io::Result<Self> {
        let balancer = LoadBalancer::try_from_iter(upstreams)?;
        Ok(Self { balancer })
    }

    fn choose(&self, session: &Session) -> Result<Backend> {
        let _: Option<RoundRobin> = None;
        let key = session.client_addr().map(ToString::to_string).unwrap_or_default();
        self.balancer
            .select(key.as_bytes(), MAX_ITERATIONS)
            .ok_or_else(|| Error::explain(HTTPStatus(503), "no backend is there"))
    }
}
// END TODO

// TODO 4.1
async fn upstream_peer(&self, session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
    Ok(peer(self.choose(session)?))
}
// END TODO
