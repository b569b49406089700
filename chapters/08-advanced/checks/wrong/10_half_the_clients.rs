//! Keeps fewer connections than there are busy clients: each of the others connects anew, every time.
//! fails: busy_clients_use_connections_again

// TODO 8.10
// as in the solution
// END TODO

// TODO 8.10
// as in the solution
// END TODO

// TODO 8.10
upstream_keepalive_pool_size: 20,
// END TODO

// TODO 8.10
// as in the solution
// END TODO

// TODO 8.10
// as in the solution
// END TODO
