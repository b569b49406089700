//! Collects the answer and passes it on in one piece at the end.
//! fails: the_first_piece_comes_before_the_last_is_sent

// TODO 2.1
async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
    Ok(Box::new(HttpPeer::new(self.upstreams[0], false, String::new())))
}

fn response_body_filter(
    &self,
    _session: &mut Session,
    body: &mut Option<bytes::Bytes>,
    end_of_stream: bool,
    _ctx: &mut (),
) -> Result<Option<std::time::Duration>> {
    static COLLECTED: std::sync::Mutex<Vec<u8>> = std::sync::Mutex::new(Vec::new());
    let mut collected = COLLECTED.lock().unwrap();
    if let Some(piece) = body.take() {
        collected.extend_from_slice(&piece);
    }
    *body = Some(if end_of_stream {
        std::mem::take(&mut *collected).into()
    } else {
        bytes::Bytes::new()
    });
    Ok(None)
}
// END TODO
