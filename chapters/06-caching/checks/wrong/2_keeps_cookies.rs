//! Leaves Set-Cookie to the upstream: whoever asks next has the first visitor's session.
//! fails: a_cookie_is_never_stored

// TODO 6.2
if varies_on_everything(&response.headers) {
    return false;
}
if says(&request.headers, "no-store") || says(&response.headers, "no-store") || says(&response.headers, "private") {
    return false;
}
let authorized = request.headers.contains_key(header::AUTHORIZATION);
let permitted = ["public", "s-maxage", "must-revalidate"];
!authorized || permitted.iter().any(|name| says(&response.headers, name))
// END TODO

// TODO 6.2
// as in the solution
// END TODO
