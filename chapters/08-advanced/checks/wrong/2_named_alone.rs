//! Refuses a client that asks for another name, or for none.
//! fails: who_asks_for_another_name_or_none_gets_the_first, each_name_has_its_certificate

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
// Content, not time: a file that is renamed into place may be older than the one before.
if *seen == found {
    return;
}
let name = self.name;
match certified(&found, &self.certificate, &self.key) {
    Ok(new) => {
        self.current.store(Arc::new(new));
        log::info!("new connections get the new certificate of {name}");
    }
    Err(why) => log::error!("{why}; the old certificate of {name} stays"),
}
*seen = found;
// END TODO

// TODO 8.2
let asked = hello.server_name().unwrap_or_default();
let mut pairs = self.pairs.iter();
let pair = pairs.find(|pair| pair.name.eq_ignore_ascii_case(asked))?;
// END TODO
