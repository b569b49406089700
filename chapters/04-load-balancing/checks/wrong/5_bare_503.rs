//! Says 503 and no more: the client does not know when to come again, and what it gets is no JSON.
//! fails: it_says_when_to_come_again, it_says_so_in_json

// TODO 4.5
async fn answer(&self, session: &mut Session, status: u16) -> Result<()> {
    let _ = self.health_interval;
    session.respond_error(status).await
}
// END TODO

// TODO 4.5
// as in the solution
// END TODO

// TODO 4.5
// as in the solution
// END TODO
