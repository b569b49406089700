//! Finds the route by its prefix: whatever begins so counts for it.
//! fails: a_template_has_as_many_segments_as_the_path

// TODO 7.2
// as in the solution
// END TODO

// TODO 7.2
// as in the solution
// END TODO

// TODO 7.2
fn route(path: &str) -> &'static str {
    let begins = |template: &&'static str| {
        let fixed = template.split('{').next().unwrap_or_default();
        path.starts_with(fixed)
    };
    ROUTES.into_iter().find(begins).unwrap_or("other")
}

fn method(method: &str) -> &'static str {
    const KNOWN: [&str; 9] = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT",
    ];
    KNOWN.into_iter().find(|known| *known == method).unwrap_or("other")
}

fn class(status: Option<u16>) -> &'static str {
    match status {
        None => "none",
        Some(100..=199) => "1xx",
        Some(200..=299) => "2xx",
        Some(300..=399) => "3xx",
        Some(400..=499) => "4xx",
        Some(_) => "5xx",
    }
}
// END TODO
