//! Compares prefixes byte by byte: /apix is taken for /api.
//! fails: a_prefix_ends_at_a_segment_border, a_longer_prefix_ends_at_a_border_too

// TODO 3.1
let path = request.uri.path();
if has_dot_segment(path) {
    return Err(400);
}
let host = name(host(request));
ROUTES
    .iter()
    .filter(|(name, prefix, _)| name.eq_ignore_ascii_case(host) && path.starts_with(prefix))
    .max_by_key(|(_, prefix, _)| prefix.len())
    .map(|(_, _, upstream)| *upstream)
    .ok_or(404)
// END TODO

// TODO 3.1
// as in the solution
// END TODO
