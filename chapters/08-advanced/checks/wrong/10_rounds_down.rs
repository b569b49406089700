//! Takes the whole seconds of the limit: below one second that is 0, which means no limit.
//! fails: a_limit_below_a_second_is_one

// TODO 8.10
// as in the solution
// END TODO

// TODO 8.10
if session.get_keepalive().is_some() {
    session.set_keepalive(Some(self.idle.as_secs()));
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
