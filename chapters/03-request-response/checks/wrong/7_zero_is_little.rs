//! Orders by weight, and takes 0 for little instead of never.
//! fails: a_weight_of_0_means_never, who_takes_neither_gets_the_text

// TODO 3.7
// as in the solution
// END TODO

// TODO 3.7
let weight = |coding| accepts.weight(coding).unwrap_or(0);
if weight("br") >= weight("gzip") && weight("br") >= weight("identity") {
    "br"
} else if weight("gzip") >= weight("identity") {
    "gzip"
} else {
    "identity"
}
// END TODO

// TODO 3.7
// as in the solution
// END TODO
