//! Draws both from all: of three backends, one draw of nine is the slow one against itself.
//! fails: with_one_slow_backend_the_99th_percentile_is_a_third_of_round_robins

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

// TODO 4.7
let one = self.backends.choose(&mut rand::rng())?;
let other = self.backends.choose(&mut rand::rng())?;
let two = [one, other].into_iter();
// END TODO
