//! Rewrites the path and forgets the query.
//! fails: the_query_survives, the_prefix_alone_becomes_a_slash

// TODO 3.2
let path = upstream_request.uri.path();
let rest = path.strip_prefix(PREFIX).unwrap_or(path);
let rest = if rest.is_empty() { "/" } else { rest }.to_owned();
upstream_request.set_raw_path(rest.as_bytes())
// END TODO

// TODO 3.2
// as in the solution
// END TODO

// TODO 3.2
// as in the solution
// END TODO
