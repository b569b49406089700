//! Counts what begins and nothing that ends: the process stays for the whole limit, as with Pingora alone.
//! fails: leaves_at_once_if_nothing_is_in_flight, leaves_when_the_last_download_has_ended, a_request_that_ended_before_does_not_hold_the_process

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
// END TODO
