//! Bounds the tries of each request and nothing else: when everything fails, the load is a multiple.
//! fails: a_storm_of_retries_is_bounded

// TODO 5.5
fn choose(&self, tried: &[SocketAddr]) -> Option<SocketAddr> {
    let mut upstreams = self.upstreams.iter();
    upstreams.find(|it| !tried.contains(it)).copied()
}

fn may_try_another(&self, ctx: &Ctx) -> bool {
    ctx.tried.len() < self.tries && self.choose(&ctx.tried).is_some()
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
