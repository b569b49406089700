//! Takes the lines that it understands, so half an address is an address.
//! fails: half_a_file_keeps_the_last_backends, text_that_makes_no_sense_keeps_the_last_backends

// TODO 4.6
// END TODO

// TODO 4.6
// END TODO

// TODO 4.6
let text = tokio::fs::read_to_string(&self.path).await.map_err(|error| Error::explain(ReadError, error.to_string()))?;
Ok(text.lines().filter_map(backend).collect())
// END TODO
