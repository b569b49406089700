//! Leaves the query behind.
//! fails: sends_a_client_to_the_same_place_over_tls, keeps_a_post_a_post

// TODO 8.1
use http::{HeaderValue, header::STRICT_TRANSPORT_SECURITY, uri::Authority};
// END TODO

// TODO 8.1
/// `None` where the request names no host.
fn location(request: &RequestHeader, tls_port: u16) -> Option<HeaderValue> {
    let authority = request.headers.get("host")?.to_str().ok()?;
    let authority: Authority = authority.parse().ok()?;
    let host = authority.host();
    // `one.test@two.test` would lead to two.test.
    if host.is_empty() || authority.as_str().contains('@') {
        return None;
    }
    let port = match tls_port {
        443 => String::new(),
        port => format!(":{port}"),
    };
    let target = match request.uri.path().as_bytes() {
        // Byte for byte: a path that is decoded and encoded again may be another one.
        target if target.starts_with(b"/") => target,
        // The absolute form, which a server has to understand (RFC 9112, section 3.2.2).
        _ => request.uri.path_and_query()?.as_str().as_bytes(),
    };
    // `OPTIONS *` is about the server, and has no place.
    if !target.starts_with(b"/") {
        return None;
    }
    let location = [b"https://", host.as_bytes(), port.as_bytes(), target].concat();
    HeaderValue::from_bytes(&location).ok()
}
// END TODO

// TODO 8.1
// RFC 9110, section 15.4.9: unlike 301 and 302, it lets no client change the method.
let mut header = ResponseHeader::build(308, Some(2))?;
// END TODO

// TODO 8.1
// On a plain connection anybody on the way could say it (RFC 6797, section 7.2). Of two a browser reads the
// first one, so the upstream's own goes (section 8.1).
if is_tls(session) {
    response.insert_header(STRICT_TRANSPORT_SECURITY, "max-age=31536000")?;
}
// END TODO

// TODO 8.1
proxy
    .add_tls(&listen_tls, &certificate, &key)
    .unwrap_or_else(|error| refuse(&error));
// END TODO
