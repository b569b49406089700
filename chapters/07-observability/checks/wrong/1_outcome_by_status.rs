//! Takes the outcome from the status: an answer that breaks off has begun with 200, and an upstream may answer 502 too.
//! fails: an_answer_that_breaks_off_is_upstream_failed, each_request_of_a_connection_has_its_line

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
            "outcome": outcome(status_sent(session), ctx.forwarded),
            "duration": ctx.started.elapsed().as_secs_f64(),
        });
        log::info!(target: ACCESS, "{}", ascii(&line.to_string()));
    }
    // END TODO

// TODO 7.1
fn outcome(status: Option<u16>, forwarded: bool) -> &'static str {
    match status {
        None => "client_gone",
        Some(504) => "timed_out",
        Some(502 | 503) => "upstream_failed",
        Some(400 | 500) => "failed",
        Some(_) if forwarded => "answered",
        Some(_) => "local",
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
