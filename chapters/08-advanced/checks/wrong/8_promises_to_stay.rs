//! Counts well, and looks at the drain where a request begins: the answer to one that had begun says keep-alive.
//! fails: an_answer_during_the_drain_says_that_the_connection_closes

// TODO 8.8
struct InFlight(Arc<Drain>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}
// END TODO

// TODO 8.8
self.drain.in_flight.fetch_add(1, Ordering::AcqRel);
InFlight(Arc::clone(&self.drain))
// END TODO

// TODO 8.8
async fn request_filter(
    &self,
    session: &mut Session,
    _in_flight: &mut InFlight,
) -> Result<bool> {
    if self.drain.leaving.load(Ordering::Acquire) {
        session.set_keepalive(None);
    }
    Ok(false)
}
// END TODO
