//! Stores whatever has a lifetime.
//! fails: a_part_is_not_stored_as_the_whole

// TODO 6.8
// as in the solution
// END TODO

// TODO 6.8
let _ = answer;
true
// END TODO

// TODO 6.8
// as in the solution
// END TODO
