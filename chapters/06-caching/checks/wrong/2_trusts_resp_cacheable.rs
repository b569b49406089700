//! Asks Pingora alone, which does not look at Set-Cookie, Vary, or the request.
//! fails: a_cookie_is_never_stored, vary_on_everything_is_not_stored_however_it_is_written, a_request_may_forbid_it_too

// TODO 6.2
let control = CacheControl::from_resp_headers(response);
let defaults = pingora_cache::CacheMetaDefaults::new(|_| None, 0, 0);
let authorized = request.headers.contains_key(header::AUTHORIZATION);
pingora_cache::filters::resp_cacheable(control.as_ref(), response.clone(), authorized, &defaults).is_cacheable()
// END TODO

// TODO 6.2
// as in the solution
// END TODO
