//! Counts IPv6 addresses one by one: a client has 2^64 of them.
//! fails: an_ipv6_network_is_one_client

// TODO 3.6
// as in the solution
// END TODO

// TODO 3.6
// as in the solution
// END TODO

// TODO 3.6
// as in the solution
// END TODO

// TODO 3.6
address
// END TODO
