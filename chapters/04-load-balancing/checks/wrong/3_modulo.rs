//! The hash modulo the number of backends: right until that number changes, and then nearly everybody moves.
//! fails: taking_one_away_moves_its_users_and_no_others

// TODO 4.3
type Selection = selection::FNVHash;
// END TODO

// TODO 4.3
// as in the solution
// END TODO
