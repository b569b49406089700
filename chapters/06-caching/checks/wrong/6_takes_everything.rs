//! Replaces all that the 304 has: its length and type, and the cookie of whoever asked.
//! fails: what_belongs_to_a_connection_or_a_client_is_not_stored, what_describes_the_body_stays

// TODO 6.6
// as in the solution
// END TODO

// TODO 6.6
for name in newer.headers.keys() {
    stored.remove_header(name);
    for value in newer.headers.get_all(name) {
        stored.append_header(name.clone(), value.clone())?;
    }
}
Ok(())
// END TODO

// TODO 6.6
use pingora::protocols::http::conditional_filter::not_modified_filter;
// END TODO
