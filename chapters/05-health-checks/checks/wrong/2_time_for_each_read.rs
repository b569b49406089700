//! Limits each read, as HttpHealthCheck does, and not the whole.
//! fails: the_time_is_for_the_whole_check

// TODO 5.2
// as in the solution
// END TODO

// TODO 5.2
let asked = tokio::time::timeout(self.timeout, self.ask(target)).await;
let mut session = asked.or_err(UNHEALTHY, "no answer in time")??;
session.set_read_timeout(Some(self.timeout));
let report = read_report(session).await?;
match report.get("status").and_then(Value::as_str) {
    Some("ok") => Ok(()),
    _ => Error::e_explain(UNHEALTHY, "its status is not ok"),
}
// END TODO

// TODO 5.2
// as in the solution
// END TODO

// TODO 5.2
// as in the solution
// END TODO
