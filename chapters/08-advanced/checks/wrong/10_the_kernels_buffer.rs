//! Makes the kernel's buffers small, and not Pingora's: the memory of the process stays as it was.
//! fails: an_idle_client_costs_less_than_64_kib

// TODO 8.10
use pingora::listeners::TcpSocketOptions;
// END TODO

// TODO 8.10
// as in the solution
// END TODO

// TODO 8.10
// as in the solution
// END TODO

// TODO 8.10
let mut options = TcpSocketOptions::default();
options.tcp_recv_buf = Some(4 * 1_024);
proxy.add_tcp_with_settings(&listen, options);
// END TODO

// TODO 8.10
// as in the solution
// END TODO
