//! Compares each piece with the limit, and never their sum.
//! fails: a_chunked_upload_is_cut_at_the_limit, one_byte_above_the_limit_is_too_much

// TODO 3.4
if body.as_ref().is_some_and(|piece| piece.len() as u64 > self.limit) {
    return Err(self.too_large());
}
// END TODO

// TODO 3.4
// as in the solution
// END TODO

// TODO 3.4
// as in the solution
// END TODO
