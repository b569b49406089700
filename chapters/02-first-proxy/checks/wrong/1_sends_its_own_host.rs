//! Replaces Host by the upstream's address: the upstream no longer knows which site was asked for.
//! fails: headers_arrive

// TODO 2.1
async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
    Ok(Box::new(HttpPeer::new(self.upstreams[0], false, String::new())))
}

async fn upstream_request_filter(
    &self,
    _session: &mut Session,
    upstream_request: &mut pingora::http::RequestHeader,
    _ctx: &mut (),
) -> Result<()> {
    upstream_request.insert_header("host", self.upstreams[0].to_string())
}
// END TODO
