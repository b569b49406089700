//! Returns the error to the balancer, which keeps it to itself.
//! fails: what_is_broken_is_said_once

// TODO 4.6
// END TODO

// TODO 4.6
// END TODO

// TODO 4.6
let text = tokio::fs::read_to_string(&self.path).await.map_err(|error| Error::explain(ReadError, error.to_string()))?;
parse(&text).map_err(|what| Error::explain(ReadError, what))
// END TODO
