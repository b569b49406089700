//! Takes numbers out of the path, and believes that what is left is few: names and other ids stay in it.
//! fails: all_users_are_one_route, a_template_has_as_many_segments_as_the_path

// TODO 7.2
// as in the solution
// END TODO

// TODO 7.2
let route = route(session.req_header().uri.path());
let route = route.as_str();
let method = method(session.req_header().method.as_str());
let status = class(session.response_written().map(|it| it.status.as_u16()));
if let Ok(counter) = self.metrics.requests.get_metric_with_label_values(&[route, method, status]) {
    counter.inc();
}
if let Ok(counter) = self.metrics.sent.get_metric_with_label_values(&[route]) {
    counter.inc_by(session.body_bytes_sent() as u64);
}
// END TODO

// TODO 7.2
fn route(path: &str) -> String {
    let number = |segment: &str| !segment.is_empty() && segment.bytes().all(|it| it.is_ascii_digit());
    let parts = path.split('/').map(|it| if number(it) { "{id}" } else { it });
    let route = parts.collect::<Vec<_>>().join("/");
    log::debug!("{route} is one of {}", ROUTES.len());
    route
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
