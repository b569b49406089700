//! Unwraps what select returns, as the examples do: with nobody up each request is a panic.
//! fails: nobody_up_is_503

// TODO 4.5
// as in the solution
// END TODO

// TODO 4.5
let nobody = || -> Box<Error> { None.unwrap() };
// END TODO

// TODO 4.5
// as in the solution
// END TODO
