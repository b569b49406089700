//! Closes idle clients after a second, whatever the limit says.
//! fails: an_idle_client_is_not_closed_before

// TODO 8.10
// as in the solution
// END TODO

// TODO 8.10
if session.get_keepalive().is_some() {
    session.set_keepalive(Some(1));
}
// END TODO

// TODO 8.10
// as in the solution
// END TODO

// TODO 8.10
// as in the solution
// END TODO

// TODO 8.10
// as in the solution
// END TODO
