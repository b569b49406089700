//! Looks for the text instead of the field.
//! fails: what_is_not_a_report_is_not_health

// TODO 5.2
use pingora::OrErr;
// END TODO

// TODO 5.2
let check = async {
    let mut session = self.ask(target).await?;
    if session.response_header().is_none_or(|it| it.status != 200) {
        return Error::e_explain(UNHEALTHY, "the status code is not 200");
    }
    let mut body = String::new();
    while let Some(piece) = session.read_response_body().await? {
        body += &String::from_utf8_lossy(&piece);
        if body.len() > 64 * 1024 {
            return Error::e_explain(UNHEALTHY, "a report without end");
        }
    }
    match body.contains(r#""ok""#) {
        true => Ok(()),
        false => Error::e_explain(UNHEALTHY, "its status is not ok"),
    }
};
tokio::time::timeout(self.timeout, check).await.or_err(UNHEALTHY, "no report in time")?
// END TODO

// TODO 5.2
// as in the solution
// END TODO

// TODO 5.2
// END TODO
