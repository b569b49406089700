//! Passes the state on also where the trace is new.
//! fails: the_state_of_a_trace_that_is_not_continued_is_dropped

// TODO 7.5
// as in the solution
// END TODO

// TODO 7.5
let value = format!(
    "00-{}-{}-{:02x}",
    trace.id,
    span_id(),
    u8::from(trace.sampled)
);
upstream_request.insert_header(TRACEPARENT, value)
// END TODO
