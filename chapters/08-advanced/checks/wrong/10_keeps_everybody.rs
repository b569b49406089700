//! Sets the limit for every client, and so keeps the connection of one that asked to have it closed.
//! fails: a_client_that_wants_no_connection_kept_has_it_closed

// TODO 8.10
// as in the solution
// END TODO

// TODO 8.10
session.set_keepalive(Some(self.idle.as_secs().max(1)));
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
