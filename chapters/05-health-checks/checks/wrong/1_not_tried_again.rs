//! Checks as it should, and lets each request fail that comes before the check.
//! fails: until_the_next_check_no_request_fails

// TODO 5.1
ctx.failed.extend(ctx.backend.take());
error
// END TODO

// TODO 5.1
// as in the solution
// END TODO
