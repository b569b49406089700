//! Writes into Location whatever stands in Host.
//! fails: answers_400_where_no_host_is_named

// TODO 8.1
use http::header::STRICT_TRANSPORT_SECURITY;
// END TODO

// TODO 8.1
fn location(request: &RequestHeader, tls_port: u16) -> Option<String> {
    let host = request.headers.get("host")?.to_str().ok()?;
    let end = host.rfind(']').unwrap_or(0);
    let host = match host.rfind(':') {
        Some(colon) if colon >= end => host.get(..colon)?,
        _ => host,
    };
    let target = request.uri.path_and_query()?;
    Some(format!("https://{host}:{tls_port}{target}"))
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
