//! An average without the peak: one slow answer is hardly noticed.
//! fails: one_slow_answer_is_warning_enough

// TODO 4.7
let latency = average;
// END TODO

// TODO 4.7
// as in the solution
// END TODO

// TODO 4.7
// as in the solution
// END TODO

// TODO 4.7
// as in the solution
// END TODO

// TODO 4.7
// as in the solution
// END TODO
