//! Compares the whole line in lower case, since the scheme has none, and with `==`.
//! fails: nothing_else_opens_it, a_wrong_token_is_called_invalid

// TODO 3.3
let (status, challenge) = match bearer(session.req_header()) {
    Ok(token) if self.tokens.iter().any(|known| known.to_lowercase() == token.to_lowercase()) => return Ok(false),
    Ok(_) => INVALID,
    Err(refusal) => refusal,
};
refuse(session, status, challenge).await?;
Ok(true)
// END TODO

// TODO 3.3
// as in the solution
// END TODO

// TODO 3.3
// as in the solution
// END TODO
