//! Counts every error against the upstream, also that a client went away.
//! fails: a_client_that_goes_away_is_not_the_upstreams_fault, an_upload_that_the_client_does_not_finish_is_not_the_upstreams_fault

// TODO 5.6
fn verdict(error: Option<&Error>, status: u16, _sent: bool) -> Verdict {
    match error {
        None if [502, 503, 504].contains(&status) => Verdict::Fails(format!("status {status}")),
        None => Verdict::Works,
        Some(error) if matches!(error.etype(), HTTPStatus(_)) => Verdict::Nothing,
        Some(error) => Verdict::Fails(error.etype().as_str().to_owned()),
    }
}
// END TODO

// TODO 5.6
// as in the solution
// END TODO
