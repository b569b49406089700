//! Gives the gauge back in `logging` for every ending, and for those with an error once more.
//! fails: no_ending_gives_back_twice, back_at_zero_after_an_answer_that_was_cut

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
self.in_flight.dec();
if error.is_some() {
    self.in_flight.dec();
}
// END TODO
