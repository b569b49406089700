//! Takes any backend when all are down: then it is the connection that fails, with another status.
//! fails: nobody_up_is_503

// TODO 4.5
// as in the solution
// END TODO

// TODO 4.5
let all = self.balancer.backends().get_backend();
if self.balancer.select(b"", 256).is_none() && let Some(backend) = all.first() {
    return Ok(Box::new(HttpPeer::new(backend.clone(), false, String::new())));
}
let nobody = || Error::explain(HTTPStatus(503), "no backend is up");
// END TODO

// TODO 4.5
// as in the solution
// END TODO
