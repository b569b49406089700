//! Puts what was shown into the error, for whoever has to find out why; Pingora writes errors into the log.
//! fails: no_token_gets_into_the_log_or_an_answer, without_a_token_the_answer_is_a_challenge

// TODO 3.3
match bearer(session.req_header()) {
    Ok(token) if self.knows(token) => Ok(false),
    shown => Err(Error::explain(HTTPStatus(401), format!("not a token: {shown:?}"))),
}
// END TODO

// TODO 3.3
// as in the solution
// END TODO

// TODO 3.3
// as in the solution
// END TODO
