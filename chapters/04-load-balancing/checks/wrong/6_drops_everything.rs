//! Takes a file that cannot be used for one without backends.
//! fails: text_that_makes_no_sense_keeps_the_last_backends, an_empty_file_keeps_the_last_backends, a_missing_file_keeps_the_last_backends

// TODO 4.6
// END TODO

// TODO 4.6
// END TODO

// TODO 4.6
let text = tokio::fs::read_to_string(&self.path).await.unwrap_or_default();
Ok(parse(&text).unwrap_or_default())
// END TODO
