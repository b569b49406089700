//! Takes the first piece of the body for the body.
//! fails: a_body_in_pieces_is_read_to_its_end

// TODO 5.2
use pingora::OrErr;
use serde_json::Value;
// END TODO

// TODO 5.2
let check = async {
    let mut session = self.ask(target).await?;
    if session.response_header().is_none_or(|it| it.status != 200) {
        return Error::e_explain(UNHEALTHY, "the status code is not 200");
    }
    let body = session.read_response_body().await?.unwrap_or_default();
    let report: Value = serde_json::from_slice(&body).or_err(UNHEALTHY, "the report is not JSON")?;
    match report.get("status").and_then(Value::as_str) {
        Some("ok") => Ok(()),
        _ => Error::e_explain(UNHEALTHY, "its status is not ok"),
    }
};
tokio::time::timeout(self.timeout, check).await.or_err(UNHEALTHY, "no report in time")?
// END TODO

// TODO 5.2
// as in the solution
// END TODO

// TODO 5.2
// END TODO
