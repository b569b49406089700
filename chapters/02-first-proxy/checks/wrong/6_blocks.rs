//! Waits for the answer by blocking the thread, as HttpPeer::new does with a name.
//! fails: while_the_name_server_is_silent_other_requests_pass

// TODO 2.6
async fn address(&self) -> Result<SocketAddr> {
    use pingora::{ErrorType::HTTPStatus, OkOrErr, OrErr};
    let (resolver, name) = (self.resolver.clone(), self.name.clone());
    let lookup = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(resolver.lookup_ip(name.as_str()))
    });
    let found = lookup.join().unwrap().or_err(HTTPStatus(502), "no address")?;
    let ip = found.iter().next().or_err(HTTPStatus(502), "no address")?;
    Ok(SocketAddr::new(ip, self.port))
}
// END TODO
