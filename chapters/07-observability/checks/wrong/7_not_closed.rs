//! Knows the errors of reading and writing, and forgets that a connection may be closed between the two.
//! fails: a_client_that_does_not_wait_for_the_answer_is_counted_and_quiet

// TODO 7.7
// as in the solution
// END TODO

// TODO 7.7
/// Whether the client closed the connection. That the upstream did, or that a client sent nonsense, is something else.
fn is_abort(error: &Error) -> bool {
    error.esource() == &ErrorSource::Downstream && matches!(error.etype(), ReadError | WriteError)
}
// END TODO
