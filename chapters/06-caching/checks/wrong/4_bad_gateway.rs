//! Says 502 where an answer is stored and could not be validated.
//! fails: what_must_be_validated_is_not_used_when_that_fails

// TODO 6.4
fn should_serve_stale(&self, _session: &mut Session, _stale: &mut bool, error: Option<&Error>) -> bool {
    error.is_none_or(|error| *error.esource() == ErrorSource::Upstream)
}
// END TODO

// TODO 6.4
// as in the solution
// END TODO
