//! Exports each span when it ends, in the thread that serves requests.
//! fails: a_silent_collector_does_no_harm, spans_are_exported_in_batches

// TODO 7.6
// as in the solution
// END TODO

// TODO 7.6
Ok(provider.with_simple_exporter(exporter).build())
// END TODO

// TODO 7.6
// as in the solution
// END TODO
