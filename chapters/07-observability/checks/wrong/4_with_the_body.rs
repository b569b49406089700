//! Gives back where a body was sent or something failed: HEAD, 204 and 304 have none.
//! fails: back_at_zero_after_an_answer_without_a_body

// TODO 7.4
/// What is known of one request. Pingora drops it when the request is over, whatever ended it.
struct Ctx {
    tries: usize,
}
// END TODO

        // TODO 7.4
        self.in_flight.inc();
        Ctx { tries: 0 }
        // END TODO

        // TODO 7.4
        // Its header is here, and its body may take an hour.
        // END TODO

        // TODO 7.4
        let local = session.req_header().uri.path() == "/healthz";
        if local || error.is_some() || session.body_bytes_sent() > 0 {
            self.in_flight.dec();
        }
        // END TODO
