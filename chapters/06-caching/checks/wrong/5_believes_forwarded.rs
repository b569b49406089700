//! Asks a header of the client whether the client may purge.
//! fails: who_may_not_purge_is_refused_and_purges_nothing

// TODO 6.5
if session.req_header().method != "PURGE" {
    return Ok(false);
}
let claimed = session.req_header().headers.get("x-forwarded-for");
let claimed = claimed.and_then(|claimed| claimed.to_str().ok()?.parse().ok());
if self.may_purge(claimed.or(client_of(session))) {
    return Ok(false);
}
session.respond_error(403).await?;
Ok(true)
// END TODO

// TODO 6.5
// as in the solution
// END TODO

// TODO 6.5
// as in the solution
// END TODO
