//! Knows the methods that browsers send, and makes a debugging client an unknown.
//! fails: known_methods_are_counted_by_their_names

        // TODO 7.2
        let sent = register_int_counter_vec!(
            "edge_response_body_bytes_total",
            "Bytes of the bodies of answers that were sent to clients.",
            &["route"]
        )?;
        // END TODO

        // TODO 7.2
        let route = route(session.req_header().uri.path());
        let method = method(session.req_header().method.as_str());
        let status = class(session.response_written().map(|it| it.status.as_u16()));
        // `with_label_values` would panic if the number of labels were wrong.
        let labels = [route, method, status];
        if let Ok(counter) = self.metrics.requests.get_metric_with_label_values(&labels) {
            counter.inc();
        }
        if let Ok(counter) = self.metrics.sent.get_metric_with_label_values(&[route]) {
            counter.inc_by(session.body_bytes_sent() as u64);
        }
        // END TODO

// TODO 7.2
/// The template of a path. The values are constants: no client can add one.
fn route(path: &str) -> &'static str {
    let found = ROUTES.into_iter().find(|template| matches(template, path));
    found.unwrap_or("other")
}

fn matches(template: &str, path: &str) -> bool {
    let (mut parts, mut segments) = (template.split('/'), path.split('/'));
    loop {
        match (parts.next(), segments.next()) {
            (None, None) => return true,
            (Some(part), Some(segment)) if part == segment => {}
            (Some(part), Some(segment)) if part.starts_with('{') && !segment.is_empty() => {}
            _ => return false,
        }
    }
}

/// A method is any token that a client invents (RFC 9110, section 9.1). These are those of RFC 9110 and RFC 5789.
fn method(method: &str) -> &'static str {
    const KNOWN: [&str; 7] = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS",
    ];
    let found = KNOWN.into_iter().find(|known| *known == method);
    found.unwrap_or("other")
}

fn class(status: Option<u16>) -> &'static str {
    match status {
        None => "none",
        Some(100..=199) => "1xx",
        Some(200..=299) => "2xx",
        Some(300..=399) => "3xx",
        Some(400..=499) => "4xx",
        // A status above 599 is to be taken for an error of the server (RFC 9110, section 15).
        Some(_) => "5xx",
    }
}
// END TODO
