//! Gives the gauge back in `logging`, for requests that got an answer: who leaves before it stays in flight.
//! fails: back_at_zero_after_a_client_that_left_before_the_answer, back_at_zero_after_a_client_that_left_in_its_upload

// TODO 7.4
struct Ctx {
    tries: usize,
}
// END TODO

// TODO 7.4
self.in_flight.inc();
Ctx { tries: 0 }
// END TODO

// TODO 7.4
// Nothing to do.
// END TODO

// TODO 7.4
if session.response_written().is_some() {
    self.in_flight.dec();
}
// END TODO
