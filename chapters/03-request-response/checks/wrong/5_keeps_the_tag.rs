//! Changes the body and keeps what the upstream said of its bytes: a tag and digests that are true of others.
//! fails: a_strong_tag_is_weak_or_gone, digests_and_ranges_of_the_old_body_are_gone

// TODO 3.5
// as in the solution
// END TODO

// TODO 3.5
// as in the solution
// END TODO

// TODO 3.5
response.remove_header("content-length");
// END TODO

// TODO 3.5
// as in the solution
// END TODO
