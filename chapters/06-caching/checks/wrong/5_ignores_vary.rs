//! Has one answer for everybody.
//! fails: variants_are_kept_apart_and_found_again, any_header_may_be_the_one

// TODO 6.5
// as in the solution
// END TODO

// TODO 6.5
fn cache_key_callback(&self, session: &Session, _ctx: &mut ()) -> Result<CacheKey> {
    Ok(CacheKey::new(target_of(session.req_header()), ""))
}
// END TODO

// TODO 6.5
// as in the solution
// END TODO
