//! Adds up what Date says and what Age says: both tell the same time.
//! fails: the_larger_of_the_two_counts_not_their_sum

// TODO 6.1
// as in the solution
// END TODO

// TODO 6.1
let date = value(response, header::DATE).and_then(|date| httpdate::parse_http_date(date).ok());
let apparent = date.and_then(|date| now.duration_since(date).ok()).unwrap_or_default();
let told = value(response, header::AGE).and_then(seconds).unwrap_or_default();
told + apparent + now.duration_since(asked).unwrap_or_default()
// END TODO

// TODO 6.1
// as in the solution
// END TODO
