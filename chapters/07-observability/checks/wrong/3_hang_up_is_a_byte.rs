//! Observes a first byte at the end where there was a connection and no answer.
//! fails: without_an_answer_there_is_no_first_byte

// TODO 7.3
/// What is known of one request.
struct Ctx {
    begun: Instant,
    /// When the upstream was chosen.
    chosen: Option<Instant>,
    /// When there was a connection for the request.
    connected: Option<Instant>,
    /// What the proxy waited for the upstream: to connect, and for the header of its answer.
    waited: Duration,
}
// END TODO

        // TODO 7.3
        Ctx {
            begun: Instant::now(),
            chosen: None,
            connected: None,
            waited: Duration::ZERO,
        }
        // END TODO

        // TODO 7.3
        ctx.chosen = Some(Instant::now());
        // END TODO

        // TODO 7.3
        if let Some(connect) = ctx.chosen.map(|chosen| chosen.elapsed()) {
            ctx.waited += connect;
            if !reused {
                self.metrics.connect.observe(connect.as_secs_f64());
            }
        }
        ctx.connected = Some(Instant::now());
        // END TODO

        // TODO 7.3
        if let Some(first_byte) = ctx.connected.map(|connected| connected.elapsed()) {
            ctx.waited += first_byte;
            self.metrics.first_byte.observe(first_byte.as_secs_f64());
        }
        // END TODO

        // TODO 7.3
        let own = ctx.begun.elapsed().saturating_sub(ctx.waited);
        self.metrics.proxy.observe(own.as_secs_f64());
        // END TODO

        // TODO 7.3
        if let Some(connected) = ctx.connected.filter(|_| session.response_written().is_some_and(|it| it.status == 502)) {
            self.metrics.first_byte.observe(connected.elapsed().as_secs_f64());
        }
        self.metrics.duration.observe(duration.as_secs_f64());
        // END TODO
