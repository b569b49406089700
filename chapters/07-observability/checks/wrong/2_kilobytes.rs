//! Counts in KiB under a name that is no counter's.
//! fails: the_bytes_of_bodies_are_counted_to_the_byte, the_names_are_as_prometheus_wants_them, whatever_clients_send_there_are_few_series

// TODO 7.2
let sent = register_int_counter_vec!("edge_sent_kilobytes", "Bodies of answers, in KiB.", &["route"])?;
// END TODO

// TODO 7.2
// as in the solution
// END TODO

// TODO 7.2
// as in the solution
// END TODO
