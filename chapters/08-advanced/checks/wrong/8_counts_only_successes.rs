//! Gives a request back in `logging` if nothing went wrong: one client that left holds the process up to the limit.
//! fails: leaves_when_a_client_has_given_up, a_request_that_ended_before_does_not_hold_the_process

// TODO 8.8
struct InFlight;
// END TODO

// TODO 8.8
self.drain.in_flight.fetch_add(1, Ordering::AcqRel);
InFlight
// END TODO

// TODO 8.8
async fn response_filter(
    &self,
    session: &mut Session,
    _response: &mut ResponseHeader,
    _in_flight: &mut InFlight,
) -> Result<()> {
    if self.drain.leaving.load(Ordering::Acquire) {
        session.set_keepalive(None);
    }
    Ok(())
}

async fn logging(
    &self,
    _session: &mut Session,
    error: Option<&Error>,
    _in_flight: &mut InFlight,
) {
    if error.is_none() {
        self.drain.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}
// END TODO
