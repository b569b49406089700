//! Leaves the client's conditions to Pingora, which finds no answer in * if it has no tag.
//! fails: an_asterisk_is_any_answer

// TODO 6.6
not_modified_filter(request, answer)
// END TODO

// TODO 6.6
// as in the solution
// END TODO

// TODO 6.6
// as in the solution
// END TODO
