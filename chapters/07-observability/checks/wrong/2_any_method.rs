//! Takes any method into the label: a client invents as many as it likes.
//! fails: a_method_that_nobody_knows_is_other, whatever_clients_send_there_are_few_series

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

fn method(method: &str) -> &str {
    method
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
