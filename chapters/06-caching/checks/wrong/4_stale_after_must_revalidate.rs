//! Reads how long stale answers may be used, and not whether.
//! fails: what_must_be_validated_is_not_used_when_that_fails, what_must_be_validated_is_validated_first

// TODO 6.4
// as in the solution
// END TODO

// TODO 6.4
let updating = control.stale_while_revalidate().unwrap_or_default();
let failing = control.stale_if_error().unwrap_or_default();
(updating.unwrap_or_default(), failing.unwrap_or_default())
// END TODO
