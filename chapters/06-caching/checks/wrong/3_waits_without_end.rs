//! Lets the others wait as long as the first one does.
//! fails: a_silent_upstream_holds_the_others_for_a_while_only

// TODO 6.3
let _ = longest_wait;
Some(Box::leak(CacheLock::new_boxed(Duration::from_secs(3600))))
// END TODO

// TODO 6.3
// as in the solution
// END TODO

// TODO 6.3
// as in the solution
// END TODO
