//! Gives the gauge back at the header of the answer, and in `logging` if there was none: a download is not in flight.
//! fails: a_request_is_in_flight_until_its_body_has_ended, each_of_several_requests_counts, a_request_that_is_tried_again_is_one_request

// TODO 7.4
struct Ctx {
    tries: usize,
    counted: bool,
}
// END TODO

// TODO 7.4
self.in_flight.inc();
Ctx { tries: 0, counted: true }
// END TODO

// TODO 7.4
if std::mem::take(&mut ctx.counted) {
    self.in_flight.dec();
}
// END TODO

// TODO 7.4
if std::mem::take(&mut ctx.counted) {
    self.in_flight.dec();
}
// END TODO
