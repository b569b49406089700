//! Invalidates before anybody knows whether something was changed: who may not write can still empty the store.
//! fails: what_failed_has_changed_nothing

// TODO 6.7
let _ = status;
!method.is_safe()
// END TODO

// TODO 6.7
// as in the solution
// END TODO

// TODO 6.7
// as in the solution
// END TODO

// TODO 6.7
// as in the solution
// END TODO
