//! Takes the end of what was written for the end of the answer.
//! fails: a_fill_that_breaks_off_is_cut_for_everybody

// TODO 6.3
// as in the solution
// END TODO

// TODO 6.3
use pingora_cache::lock::CacheLock;
// END TODO

// TODO 6.3
self.inner.read_body().await
// END TODO
