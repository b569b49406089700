//! Appends whoever asks: the first address of the list is what the attacker wrote.
//! fails: a_forged_address_is_dropped, by_default_nobody_is_trusted

// TODO 2.5
upstream_request.append_header("x-forwarded-for", peer.to_string())?;
// END TODO
