//! Tries again where it has failed: the connection may have been bad luck.
//! fails: a_refused_connection_is_tried_elsewhere_with_any_method, no_upstream_is_tried_twice

// TODO 5.5
fn choose(&self, _tried: &[SocketAddr]) -> Option<SocketAddr> {
    self.upstreams.first().copied()
}

fn may_try_another(&self, ctx: &Ctx) -> bool {
    ctx.tried.len() < self.tries && self.budget.take()
}
// END TODO

// TODO 5.5
// as in the solution
// END TODO

// TODO 5.5
// as in the solution
// END TODO

// TODO 5.5
// as in the solution
// END TODO
