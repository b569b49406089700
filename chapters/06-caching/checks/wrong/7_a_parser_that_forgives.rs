//! Reads CDN-Cache-Control with the parser of Cache-Control, which takes what it can make sense of.
//! fails: what_cannot_be_read_counts_as_absent

// TODO 6.7
// as in the solution
// END TODO

// TODO 6.7
// as in the solution
// END TODO

// TODO 6.7
let control = CacheControl::from_headers_named("cdn-cache-control", headers)?;
if control.directives.is_empty() {
    return None;
}
Some(Rules {
    store: control.is_cacheable() != Cacheable::No,
    lifetime: control.fresh_duration(),
})
// END TODO

// TODO 6.7
// as in the solution
// END TODO
