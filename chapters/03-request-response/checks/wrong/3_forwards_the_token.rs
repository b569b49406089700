//! Guards the door and hands the key to whoever is behind it.
//! fails: the_upstream_does_not_get_the_token

// TODO 3.3
// as in the solution
// END TODO

// TODO 3.3
// END TODO

// TODO 3.3
// as in the solution
// END TODO
