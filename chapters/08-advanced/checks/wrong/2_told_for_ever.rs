//! Complains of a broken file once in the life of the process.
//! fails: a_broken_file_keeps_the_old_one_and_is_told_once, what_breaks_again_is_told_again

// TODO 8.2
use std::sync::{Mutex, PoisonError};
// END TODO

// TODO 8.2
seen: Mutex<Found>,
told: std::sync::Once,
// END TODO

// TODO 8.2
seen: Mutex::new(found),
told: std::sync::Once::new(),
// END TODO

// TODO 8.2
let found = read(&self.certificate, &self.key);
let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
if *seen == found {
    return;
}
match certified(&found, &self.certificate, &self.key) {
    Ok(new) => self.current.store(Arc::new(new)),
    Err(why) => self.told.call_once(|| log::error!("{}: {why}", self.name)),
}
*seen = found;
// END TODO

// TODO 8.2
let asked = hello.server_name().unwrap_or_default();
let mut pairs = self.pairs.iter();
let named = pairs.find(|pair| pair.name.eq_ignore_ascii_case(asked));
let pair = named.or(self.pairs.first())?;
// END TODO
