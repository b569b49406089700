//! Counts right, and sends whatever comes to the first of those that have nothing to do.
//! fails: idle_backends_share_the_work

// TODO 4.4
// as in the solution
// END TODO

// TODO 4.4
// END TODO

// TODO 4.4
// as in the solution
// END TODO

// TODO 4.4
// as in the solution
// END TODO

// TODO 4.4
// as in the solution
// END TODO
