//! Leaves it to Pingora, which knows must-revalidate and not no-cache.
//! fails: what_must_be_validated_is_not_used_when_that_fails, nor_when_the_upstream_answers_with_an_error

// TODO 6.4
// as in the solution
// END TODO

// TODO 6.4
let seconds = |window: Option<Duration>| window.unwrap_or_default().as_secs() as u32;
(
    seconds(control.serve_stale_while_revalidate_duration()),
    seconds(control.serve_stale_if_error_duration()),
)
// END TODO
