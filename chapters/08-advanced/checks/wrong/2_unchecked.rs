//! Puts certificate and key together without asking whether they belong together.
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
if *seen == found {
    return;
}
let pair = found.as_ref().map_err(String::clone).and_then(|(chain, private)| {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain).flatten().collect();
    let private = PrivateKeyDer::from_pem_slice(private).map_err(|error| wrong(&self.key, &error))?;
    let key = ring::sign::any_supported_type(&private).map_err(|error| wrong(&self.key, &error))?;
    if chain.is_empty() {
        return Err(wrong(&self.certificate, &"no certificate is in it"));
    }
    Ok(CertifiedKey::new(chain, key))
});
match pair {
    Ok(new) => self.current.store(Arc::new(new)),
    Err(why) => log::error!("{why}"),
}
*seen = found;
// END TODO

// TODO 8.2
let asked = hello.server_name().unwrap_or_default();
let mut pairs = self.pairs.iter();
let named = pairs.find(|pair| pair.name.eq_ignore_ascii_case(asked));
let pair = named.or(self.pairs.first())?;
// END TODO
