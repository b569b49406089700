//! Takes every path that begins with /healthz.
//! fails: other_paths_are_forwarded

// TODO 2.2
if !session.req_header().uri.path().starts_with("/healthz") {
    return Ok(false);
}
answer(session, 200, r#"{"status":"ok"}"#).await?;
Ok(true)
// END TODO

// TODO 2.2
// as in the solution
// END TODO
