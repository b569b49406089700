//! Sets the gauge to 0 at the end of a request: right as long as there is one at a time.
//! fails: one_that_ends_leaves_the_others_in_flight

// TODO 7.4
/// Counts one request for as long as this value lives.
struct InFlight(IntGauge);

impl InFlight {
    fn begin(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.set(0);
    }
}

/// What is known of one request. Pingora drops it when the request is over, whatever ended it.
struct Ctx {
    tries: usize,
    _in_flight: InFlight,
}
// END TODO

        // TODO 7.4
        Ctx {
            tries: 0,
            _in_flight: InFlight::begin(&self.in_flight),
        }
        // END TODO

        // TODO 7.4
        // Its header is here, and its body may take an hour.
        // END TODO

        // TODO 7.4
        // Not needed: this runs for every ending, and so does the drop, which comes also where a task is cut off.
        // END TODO
