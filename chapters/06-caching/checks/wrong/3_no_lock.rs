//! Trusts the store to hold the others back: it has nothing for them yet.
//! fails: fifty_clients_make_one_request, those_who_waited_read_along

// TODO 6.3
let _ = longest_wait;
None
// END TODO

// TODO 6.3
use pingora::ErrorType::InternalError;
// END TODO

// TODO 6.3
// as in the solution
// END TODO
