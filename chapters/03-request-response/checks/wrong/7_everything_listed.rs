//! Takes what the header names, whatever weight it has.
//! fails: a_weight_of_0_means_never, the_greatest_weight_wins

// TODO 3.7
// as in the solution
// END TODO

// TODO 3.7
if accepts.weight("br").is_some() {
    "br"
} else if accepts.weight("gzip").is_some() {
    "gzip"
} else {
    "identity"
}
// END TODO

// TODO 3.7
// as in the solution
// END TODO
