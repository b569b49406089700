//! Unwraps what the resolver says: a missing name is a panic, and the client hears nothing at all.
//! fails: a_name_that_is_not_known_is_502

// TODO 2.6
async fn address(&self) -> Result<SocketAddr> {
    let found = self.resolver.lookup_ip(self.name.as_str()).await.unwrap();
    Ok(SocketAddr::new(found.iter().next().unwrap(), self.port))
}
// END TODO
