//! Counts over all tries: a retry adds the same body up a second time.
//! fails: another_try_counts_from_its_start

// TODO 3.4
// as in the solution
// END TODO

// TODO 3.4
async fn request_filter(&self, session: &mut Session, _passed: &mut u64) -> Result<bool> {
    match declared_length(session) {
        Some(length) if length > self.limit => Err(self.too_large()),
        _ => Ok(false),
    }
}
// END TODO

// TODO 3.4
// as in the solution
// END TODO
