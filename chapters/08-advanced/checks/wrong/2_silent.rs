//! Keeps the old one and tells nobody.
//! fails: a_broken_file_keeps_the_old_one_and_is_told_once, a_certificate_waits_for_its_key, what_breaks_again_is_told_again

// TODO 8.2
use std::sync::{Mutex, PoisonError};
// END TODO

// TODO 8.2
/// What the files held at the last look, usable or not.
seen: Mutex<Found>,
// END TODO

// TODO 8.2
seen: Mutex::new(found),
// END TODO

// TODO 8.2
let found = read(&self.certificate, &self.key);
let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
if *seen == found {
    return;
}
if let Ok(new) = certified(&found, &self.certificate, &self.key) {
    self.current.store(Arc::new(new));
}
*seen = found;
// END TODO

// TODO 8.2
let asked = hello.server_name().unwrap_or_default();
let mut pairs = self.pairs.iter();
let named = pairs.find(|pair| pair.name.eq_ignore_ascii_case(asked));
let pair = named.or(self.pairs.first())?;
// END TODO
