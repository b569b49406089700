//! Looks at the first line only.
//! fails: two_ids_are_none

// TODO 2.4
// as in the solution
// END TODO

// TODO 2.4
let well_formed = |id: &&str| (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
let sent = request.headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(well_formed);
sent.map_or_else(|| Uuid::new_v4().to_string(), str::to_owned)
// END TODO
