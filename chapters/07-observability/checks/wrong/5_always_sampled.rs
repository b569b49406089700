//! Samples every trace, whatever was decided where it began.
//! fails: the_sampled_flag_goes_on

// TODO 7.5
// as in the solution
// END TODO

// TODO 7.5
if !trace.continued {
    // Without a valid traceparent nobody knows whose state this is (Trace Context, 3.3).
    upstream_request.remove_header("tracestate");
}
let value = format!(
    "00-{}-{}-{:02x}",
    trace.id,
    span_id(),
    1
);
upstream_request.insert_header(TRACEPARENT, value)
// END TODO
