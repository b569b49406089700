//! Takes whatever happens on the client's side for a client that went away: one that sends no HTTP is there, and was told so.
//! fails: a_body_that_is_no_http_is_failed

// TODO 7.1
use serde_json::json;
// END TODO

    // TODO 7.1
    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Ctx) {
        let request = session.req_header();
        // The path only: a query may hold a token, and a log is read by many.
        let line = json!({
            "http.request.method": request.method.as_str(),
            "url.path": request.uri.path(),
            "user_agent.original": user_agent(session),
            "http.response.status_code": status_sent(session),
            "outcome": outcome(error, ctx.forwarded),
            "duration": ctx.started.elapsed().as_secs_f64(),
        });
        log::info!(target: ACCESS, "{}", ascii(&line.to_string()));
    }
    // END TODO

// TODO 7.1
fn outcome(error: Option<&Error>, forwarded: bool) -> &'static str {
    let Some(error) = error else {
        return if forwarded { "answered" } else { "local" };
    };
    match (error.esource(), error.etype()) {
        (ErrorSource::Downstream, _) => "client_gone",
        (ErrorSource::Upstream, ConnectTimedout | ReadTimedout | WriteTimedout) => "timed_out",
        (ErrorSource::Upstream, _) => "upstream_failed",
        _ => "failed",
    }
}

/// JSON says the same in ASCII (RFC 8259, section 7). DEL and the controls from 0x80 to 0x9f, which serde_json leaves as
/// they are, mean something to a terminal.
fn ascii(json: &str) -> String {
    let mut line = String::with_capacity(json.len());
    let mut units = [0; 2];
    for c in json.chars() {
        match c {
            ' '..='~' => line.push(c),
            _ => {
                for unit in c.encode_utf16(&mut units) {
                    line += &format!("\\u{unit:04x}");
                }
            }
        }
    }
    line
}
// END TODO
