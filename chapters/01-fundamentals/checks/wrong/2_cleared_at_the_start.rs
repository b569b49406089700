//! One trace for all, cleared when a request begins: right as long as nobody else is there.
//! fails: requests_at_the_same_time_do_not_mix

// TODO 1.2
use std::sync::Mutex;

type Trace = ();

struct Edge {
    upstreams: Vec<SocketAddr>,
    trace: Mutex<Vec<&'static str>>,
}

impl Edge {
    fn new(upstreams: Vec<SocketAddr>) -> Self {
        let trace = Mutex::default();
        Self { upstreams, trace }
    }

    fn enter(&self, _trace: &mut Trace, phase: &'static str) {
        let mut trace = self.trace.lock().unwrap();
        if phase == "request_filter" {
            trace.clear();
        }
        trace.push(phase);
    }

    fn told(&self, _trace: &Trace) -> String {
        self.trace.lock().unwrap().join(", ")
    }
}
// END TODO

// TODO 1.2
// as in the solution
// END TODO
