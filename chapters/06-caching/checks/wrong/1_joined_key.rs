//! Puts a mark between the parts of the key that a part can hold too.
//! fails: path_and_query_do_not_run_into_each_other, an_empty_query_is_another_target_than_none

// TODO 6.1
let host = String::from_utf8_lossy(host);
let (path, query) = (request.uri.path(), request.uri.query().unwrap_or_default());
CacheKey::new(format!("{host}|{path}|{query}"), "")
// END TODO

// TODO 6.1
// as in the solution
// END TODO

// TODO 6.1
// as in the solution
// END TODO
