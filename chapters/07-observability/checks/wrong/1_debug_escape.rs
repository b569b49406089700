//! Escapes as Rust does: `{:?}` writes \u{9b}, which is no JSON.
//! fails: a_terminal_finds_nothing_to_obey, what_is_not_ascii_survives

// TODO 7.1
// END TODO

    // TODO 7.1
    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Ctx) {
        let request = session.req_header();
        let (method, path) = (&request.method, request.uri.path());
        let agent = user_agent(session).map_or("null".to_owned(), |it| format!("{it:?}"));
        let status = status_sent(session).map_or("null".to_owned(), |it| it.to_string());
        let outcome = outcome(error, ctx.forwarded);
        let duration = ctx.started.elapsed().as_secs_f64();
        log::info!(
            target: ACCESS,
            r#"{{"http.request.method":"{method}","url.path":{path:?},"user_agent.original":{agent},"http.response.status_code":{status},"outcome":"{outcome}","duration":{duration}}}"#
        );
    }
    // END TODO

// TODO 7.1
fn outcome(error: Option<&Error>, forwarded: bool) -> &'static str {
    let Some(error) = error else {
        return if forwarded { "answered" } else { "local" };
    };
    match (error.esource(), error.etype()) {
        (ErrorSource::Downstream, ConnectionClosed | ReadError | WriteError) => "client_gone",
        (ErrorSource::Upstream, ConnectTimedout | ReadTimedout | WriteTimedout) => "timed_out",
        (ErrorSource::Upstream, _) => "upstream_failed",
        _ => "failed",
    }
}
// END TODO
