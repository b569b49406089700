//! Relies on Pingora's merge, which takes Cache-Control, Expires and ETag: all else stays as old as it was.
//! fails: what_a_304_says_replaces_what_is_stored

// TODO 6.6
// as in the solution
// END TODO

// TODO 6.6
let _ = (stored, newer);
Ok(())
// END TODO

// TODO 6.6
use pingora::protocols::http::conditional_filter::not_modified_filter;
// END TODO
