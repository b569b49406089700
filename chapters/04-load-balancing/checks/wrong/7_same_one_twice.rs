//! Draws both from all: of three backends, one draw of nine is the slow one against itself.
//! fails: a_slow_backend_hardly_shows_in_the_99th_percentile

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
