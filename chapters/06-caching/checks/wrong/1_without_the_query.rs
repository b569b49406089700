//! Leaves the query out of the key.
//! fails: other_requests_are_not, an_empty_query_is_another_target_than_none

// TODO 6.1
let mut key = host.len().to_be_bytes().to_vec();
key.extend(host);
key.extend(request.uri.path().as_bytes());
CacheKey::new(key, "")
// END TODO

// TODO 6.1
// as in the solution
// END TODO

// TODO 6.1
// as in the solution
// END TODO
