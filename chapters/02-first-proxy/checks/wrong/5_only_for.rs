//! Guards X-Forwarded-For and forgets the other two.
//! fails: a_forged_protocol_and_host_are_dropped

// TODO 2.5
if !self.trusts(peer) {
    upstream_request.remove_header("x-forwarded-for");
}
upstream_request.append_header("x-forwarded-for", peer.to_string())?;
// END TODO
