//! Takes the prefix off as often as it stands there.
//! fails: only_the_first_prefix_is_taken_off

// TODO 3.2
let target = upstream_request.uri.path_and_query().map_or("/", |target| target.as_str());
let rest = target.trim_start_matches(PREFIX);
let slash = if rest.starts_with('/') { "" } else { "/" };
let target = format!("{slash}{rest}");
upstream_request.set_raw_path(target.as_bytes())
// END TODO

// TODO 3.2
// as in the solution
// END TODO

// TODO 3.2
// as in the solution
// END TODO
