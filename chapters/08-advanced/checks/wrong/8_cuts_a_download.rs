//! Gives a request back at the header of its answer, or in `logging` if it had none: a download is cut.
//! fails: leaves_when_the_last_download_has_ended, leaves_when_an_upload_has_been_answered, leaves_when_a_large_body_was_read_slowly, an_open_websocket_is_in_flight_until_it_closes

// TODO 8.8
struct InFlight {
    counted: bool,
}
// END TODO

// TODO 8.8
self.drain.in_flight.fetch_add(1, Ordering::AcqRel);
InFlight { counted: true }
// END TODO

// TODO 8.8
async fn response_filter(
    &self,
    session: &mut Session,
    _response: &mut ResponseHeader,
    in_flight: &mut InFlight,
) -> Result<()> {
    if self.drain.leaving.load(Ordering::Acquire) {
        session.set_keepalive(None);
    }
    if std::mem::take(&mut in_flight.counted) {
        self.drain.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
    Ok(())
}

async fn logging(
    &self,
    _session: &mut Session,
    _error: Option<&Error>,
    in_flight: &mut InFlight,
) {
    if std::mem::take(&mut in_flight.counted) {
        self.drain.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}
// END TODO
