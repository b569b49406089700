//! Gives the gauge back in `logging`, for requests that went well.
//! fails: back_at_zero_after_a_connection_that_was_refused, back_at_zero_after_a_time_out, back_at_zero_after_an_upstream_that_hung_up, back_at_zero_after_a_client_that_left_before_the_answer, back_at_zero_after_a_client_that_left_in_its_upload, back_at_zero_after_a_client_that_left_in_the_answer, back_at_zero_after_an_answer_that_was_cut

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
if error.is_none() {
    self.in_flight.dec();
}
// END TODO
