//! Chooses at random: on average it is fair, and in a row it is not.
//! fails: nobody_is_asked_twice_before_all_were

// TODO 4.1
struct Edge {
    balancer: LoadBalancer<pingora_load_balancing::selection::Random>,
}

impl Edge {
    fn new(upstreams: Vec<std::net::SocketAddr>) -> std::io::Result<Self> {
        let balancer = LoadBalancer::try_from_iter(upstreams)?;
        Ok(Self { balancer })
    }

    fn choose(&self) -> Result<Backend> {
        let _: Option<RoundRobin> = None;
        self.balancer
            .select(b"", MAX_ITERATIONS)
            .ok_or_else(|| Error::explain(HTTPStatus(503), "no backend is there"))
    }
}
// END TODO

// TODO 4.1
// as in the solution
// END TODO
