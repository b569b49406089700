//! Counts what went well: what failed is in nobody's numbers.
//! fails: an_upstream_that_hangs_up_is_counted_as_the_client_saw_it, an_upstream_that_cuts_its_answer_is_counted_with_the_status_that_was_sent, a_request_that_got_no_answer_is_counted_with_none

// TODO 7.2
// as in the solution
// END TODO

// TODO 7.2
if _error.is_some() {
    return;
}
let route = route(session.req_header().uri.path());
let method = method(session.req_header().method.as_str());
let status = class(session.response_written().map(|it| it.status.as_u16()));
if let Ok(counter) = self.metrics.requests.get_metric_with_label_values(&[route, method, status]) {
    counter.inc();
}
if let Ok(counter) = self.metrics.sent.get_metric_with_label_values(&[route]) {
    counter.inc_by(session.body_bytes_sent() as u64);
}
// END TODO

// TODO 7.2
// as in the solution
// END TODO
