//! Logs what every check finds, so nobody finds the changes.
//! fails: a_backend_that_alternates_stays_in, each_change_is_told_once

// TODO 5.3
check.consecutive_failure = settings.fall;
check.consecutive_success = settings.rise;
check.validator = Some(Box::new(|answer: &pingora::http::ResponseHeader| {
    let up = answer.status == 200;
    log::info!("the backend is {}", if up { "up" } else { "down" });
    if up { Ok(()) } else { Err(Error::new_str("unhealthy")) }
}));
// END TODO

// TODO 5.3
// END TODO
