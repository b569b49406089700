//! Knows no-store, and takes private for something that browsers should care about.
//! fails: what_is_not_is_not, directives_count_in_any_case, directives_count_on_every_line

// TODO 6.2
if response.headers.contains_key(header::SET_COOKIE) || varies_on_everything(&response.headers) {
    return false;
}
if says(&request.headers, "no-store") || says(&response.headers, "no-store") {
    return false;
}
let authorized = request.headers.contains_key(header::AUTHORIZATION);
let permitted = ["public", "s-maxage", "must-revalidate"];
!authorized || permitted.iter().any(|name| says(&response.headers, name))
// END TODO

// TODO 6.2
// as in the solution
// END TODO
