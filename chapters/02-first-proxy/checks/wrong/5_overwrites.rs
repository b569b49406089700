//! Overwrites always: safe, but the proxies before it vanish.
//! fails: a_trusted_proxy_is_believed_and_joins_the_list

// TODO 2.5
for name in ["x-forwarded-proto", "x-forwarded-host", "forwarded"] {
    if !self.trusts(peer) {
        upstream_request.remove_header(name);
    }
}
upstream_request.insert_header("x-forwarded-for", peer.to_string())?;
// END TODO
