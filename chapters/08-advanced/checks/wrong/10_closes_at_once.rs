//! Keeps no client's connection: an idle one costs nothing, and every request pays for a connection.
//! fails: a_client_keeps_its_connection

// TODO 8.10
// as in the solution
// END TODO

// TODO 8.10
session.set_keepalive(None);
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
