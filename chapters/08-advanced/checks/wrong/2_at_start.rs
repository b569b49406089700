//! Reads the certificates at the start and never again.
//! fails: new_files_count_for_new_connections, a_connection_outlives_the_swap, files_that_are_written_in_place_count, files_behind_links_count_as_kubernetes_changes_them

// TODO 8.2
// END TODO

// TODO 8.2
// END TODO

// TODO 8.2
// END TODO

// TODO 8.2
let [certificate, key] = [&self.certificate, &self.key].map(|it| it.display());
log::debug!("{certificate} and {key} are as they were at the start");
// END TODO

// TODO 8.2
let asked = hello.server_name().unwrap_or_default();
let mut pairs = self.pairs.iter();
let named = pairs.find(|pair| pair.name.eq_ignore_ascii_case(asked));
let pair = named.or(self.pairs.first())?;
// END TODO
