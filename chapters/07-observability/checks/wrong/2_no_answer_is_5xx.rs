//! Counts a request that got no answer as an error of the server: a client that leaves looks like an outage.
//! fails: a_request_that_got_no_answer_is_counted_with_none

// TODO 7.2
// as in the solution
// END TODO

// TODO 7.2
// as in the solution
// END TODO

// TODO 7.2
fn route(path: &str) -> &'static str {
    ROUTES.into_iter().find(|template| matches(template, path)).unwrap_or("other")
}

fn matches(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    let same = |(part, segment): (&&str, &&str)| part == segment || part.starts_with('{') && !segment.is_empty();
    template.len() == path.len() && template.iter().zip(&path).all(same)
}

fn method(method: &str) -> &'static str {
    const KNOWN: [&str; 9] = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT",
    ];
    KNOWN.into_iter().find(|known| *known == method).unwrap_or("other")
}

fn class(status: Option<u16>) -> &'static str {
    match status {
        Some(100..=199) => "1xx",
        Some(200..=299) => "2xx",
        Some(300..=399) => "3xx",
        Some(400..=499) => "4xx",
        None | Some(_) => "5xx",
    }
}
// END TODO
