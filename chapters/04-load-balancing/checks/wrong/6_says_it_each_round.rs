//! Says what is wrong each time it looks: as many lines as rounds.
//! fails: what_is_broken_is_said_once

// TODO 4.6
// END TODO

// TODO 4.6
// END TODO

// TODO 4.6
let text = tokio::fs::read_to_string(&self.path).await;
let found = text.map_err(|error| error.to_string()).and_then(|text| parse(&text));
found.map_err(|what| {
    log::warn!("{}: {what}", self.path.display());
    Error::explain(ReadError, what)
})
// END TODO
