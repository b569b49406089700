//! Resolves once, and right, and never again.
//! fails: a_name_that_goes_away_is_noticed

// TODO 2.6
async fn address(&self) -> Result<SocketAddr> {
    use pingora::{ErrorType::HTTPStatus, OkOrErr, OrErr};
    static ADDRESS: tokio::sync::OnceCell<SocketAddr> = tokio::sync::OnceCell::const_new();
    let address = ADDRESS.get_or_try_init(async || {
        let found = self.resolver.lookup_ip(self.name.as_str()).await.or_err(HTTPStatus(502), "no address")?;
        let ip = found.iter().next().or_err(HTTPStatus(502), "no address")?;
        Ok(SocketAddr::new(ip, self.port))
    });
    address.await.copied()
}
// END TODO
