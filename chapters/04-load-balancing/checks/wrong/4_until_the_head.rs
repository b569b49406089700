//! Gives the count back when the answer begins: downloads and WebSockets run uncounted.
//! fails: a_slow_download_counts_until_its_end, a_websocket_counts_until_its_end

// TODO 4.4
// as in the solution
// END TODO

// TODO 4.4
// as in the solution
// END TODO

// TODO 4.4
// as in the solution
// END TODO

// TODO 4.4
async fn response_filter(
    &self,
    _session: &mut Session,
    _response: &mut ResponseHeader,
    ctx: &mut Ctx,
) -> Result<()> {
    ctx.running = None;
    Ok(())
}
// END TODO

// TODO 4.4
// as in the solution
// END TODO
