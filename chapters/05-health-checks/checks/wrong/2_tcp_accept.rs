//! Calls a backend healthy as soon as it accepts a connection, whatever it would answer.
//! fails: another_status_than_200_is_not_health_whatever_the_body_says, a_backend_that_says_it_is_not_well_is_out

// TODO 5.2
use pingora::OrErr;
// END TODO

// TODO 5.2
let Some(mut address) = target.addr.as_inet().copied() else {
    return Error::e_explain(UNHEALTHY, "it has no address");
};
address.set_port(self.port.unwrap_or(address.port()));
let connected = tokio::net::TcpStream::connect(address);
let in_time = tokio::time::timeout(self.timeout, connected).await;
let connected = in_time.or_err(UNHEALTHY, "no connection in time")?;
connected.or_err(UNHEALTHY, "no connection")?;
self.ask(target).await.map(drop)
// END TODO

// TODO 5.2
// as in the solution
// END TODO

// TODO 5.2
// END TODO
