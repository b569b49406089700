//! Puts the headers into the key, in one spelling, and looks at no Vary: PURGE finds one variant.
//! fails: purge_takes_all_variants, any_header_may_be_the_one

// TODO 6.5
// as in the solution
// END TODO

// TODO 6.5
fn cache_key_callback(&self, session: &Session, _ctx: &mut ()) -> Result<CacheKey> {
    let request = session.req_header();
    let mut key = target_of(request);
    for name in ["accept-encoding", "accept-language"] {
        key.push(0);
        if request.headers.contains_key(name) {
            key.push(b'+');
            key.extend(normal(name, &request.headers));
        }
    }
    Ok(CacheKey::new(key, ""))
}
// END TODO

// TODO 6.5
// as in the solution
// END TODO
