//! Rewrites the body and leaves its old Content-Length in the header.
//! fails: the_member_is_gone_and_the_rest_arrives, the_length_is_right_or_gone

// TODO 3.5
// as in the solution
// END TODO

// TODO 3.5
// as in the solution
// END TODO

// TODO 3.5
for gone in ["accept-ranges", "content-md5", "digest", "content-digest", "repr-digest"] {
    response.remove_header(gone);
}
weaken_etag(response)?;
// END TODO

// TODO 3.5
// as in the solution
// END TODO
