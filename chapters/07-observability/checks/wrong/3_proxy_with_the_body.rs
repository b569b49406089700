//! Works out the proxy's own time at the end: it has the body of the answer, at the pace of upstream and client.
//! fails: the_proxy_is_without_the_body

// TODO 7.3
// as in the solution
// END TODO

// TODO 7.3
// as in the solution
// END TODO

// TODO 7.3
// as in the solution
// END TODO

// TODO 7.3
// as in the solution
// END TODO

// TODO 7.3
// as in the solution
// END TODO

// TODO 7.3
log::debug!("waited {:?}", ctx.waited);
// END TODO

// TODO 7.3
self.metrics.duration.observe(duration.as_secs_f64());
if ctx.connected.is_some() {
    let own = duration.saturating_sub(ctx.waited);
    self.metrics.proxy.observe(own.as_secs_f64());
}
// END TODO
