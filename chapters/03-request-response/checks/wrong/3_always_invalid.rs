//! One challenge for all: who showed no token is told that it is wrong.
//! fails: without_a_token_the_answer_is_a_challenge, another_scheme_is_no_token

// TODO 3.3
if let Ok(token) = bearer(session.req_header())
    && self.knows(token)
{
    return Ok(false);
}
refuse(session, INVALID.0, INVALID.1).await?;
Ok(true)
// END TODO

// TODO 3.3
// as in the solution
// END TODO

// TODO 3.3
// as in the solution
// END TODO
