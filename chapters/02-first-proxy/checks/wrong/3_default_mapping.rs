//! Sets every limit and leaves the answer to Pingora, which says 502.
//! fails: silence_instead_of_an_answer_is_504, no_connection_in_time_is_504, an_upload_that_nobody_takes_is_504

// TODO 2.3
// as in the solution
// END TODO

// TODO 2.3
// END TODO

// TODO 2.3
// END TODO
