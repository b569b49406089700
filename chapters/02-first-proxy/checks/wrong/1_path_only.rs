//! Builds the target from the path and forgets the query.
//! fails: the_target_arrives_byte_for_byte

// TODO 2.1
async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
    Ok(Box::new(HttpPeer::new(self.upstreams[0], false, String::new())))
}

async fn upstream_request_filter(
    &self,
    session: &mut Session,
    upstream_request: &mut pingora::http::RequestHeader,
    _ctx: &mut (),
) -> Result<()> {
    upstream_request.set_uri(session.req_header().uri.path().parse().unwrap());
    Ok(())
}
// END TODO
