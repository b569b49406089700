//! The right schedule; but where all weights are 0, all credits are too, and the first of equals is chosen.
//! fails: nobody_with_a_weight_is_503

// TODO 4.2
// as in the solution
// END TODO

// TODO 4.2
// as in the solution
// END TODO

// TODO 4.2
let mut credits = self.credits.lock().unwrap();
let mut sum = 0;
for (backend, credit) in self.backends.iter().zip(&mut *credits) {
    *credit += backend.weight as i64;
    sum += backend.weight as i64;
}
let chosen = (0..credits.len()).rev().max_by_key(|index| credits[*index])?;
credits[chosen] -= sum;
Some(chosen)
// END TODO
