//! Which headers go on and which do not.

use pingora::{
    Result,
    http::{RequestHeader, ResponseHeader},
    proxy::Session,
};

use crate::routes::Route;

/// Upstreams believe these because only a proxy can have written them. So a client's are taken away first.
const ONLY_FROM_US: [&str; 6] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-user",
];

/// What tells an attacker which versions to look up.
const NOT_TO_CLIENTS: [&str; 2] = ["server", "x-powered-by"];

/// What every answer carries, also those that the proxy makes.
const TO_CLIENTS: [(&str, &str); 1] = [("x-content-type-options", "nosniff")];

/// The rules for a request, before it goes to the upstream.
pub(crate) fn to_upstream(
    session: &Session,
    route: &Route,
    request: &mut RequestHeader,
) -> Result<()> {
    for name in ONLY_FROM_US {
        request.remove_header(name);
    }
    if let Some(client) = session.client_addr().and_then(|address| address.as_inet()) {
        let client = client.ip().to_canonical().to_string();
        request.insert_header("x-forwarded-for", client)?;
    }
    request.insert_header("x-forwarded-proto", "http")?;
    if let Some(host) = session.req_header().headers.get("host") {
        request.insert_header("x-forwarded-host", host)?;
    }
    if route.strips {
        request.insert_header("x-forwarded-prefix", route.prefix)?;
    }
    Ok(())
}

/// The rules for an answer, before it goes to the client.
pub(crate) fn to_client(response: &mut ResponseHeader) -> Result<()> {
    for name in NOT_TO_CLIENTS {
        response.remove_header(name);
    }
    for (name, value) in TO_CLIENTS {
        response.insert_header(name, value)?;
    }
    Ok(())
}
