//! Watches the certificate and not the key: if the key comes later, nobody looks any more.
//! fails: a_certificate_waits_for_its_key

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
let [before, now] = [&*seen, &found].map(|it| it.as_ref().ok().map(|(certificate, _)| certificate));
if before == now {
    return;
}
match certified(&found, &self.certificate, &self.key) {
    Ok(new) => self.current.store(Arc::new(new)),
    Err(why) => log::error!("{}: {why}", self.name),
}
*seen = found;
// END TODO

// TODO 8.2
let asked = hello.server_name().unwrap_or_default();
let mut pairs = self.pairs.iter();
let named = pairs.find(|pair| pair.name.eq_ignore_ascii_case(asked));
let pair = named.or(self.pairs.first())?;
// END TODO
