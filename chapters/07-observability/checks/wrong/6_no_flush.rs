//! Leaves without the spans that are still in the queue.
//! fails: a_stop_exports_what_is_left

// TODO 7.6
// as in the solution
// END TODO

// TODO 7.6
// as in the solution
// END TODO

// TODO 7.6
// Nothing.
// END TODO
