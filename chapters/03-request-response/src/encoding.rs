//! Compression by Pingora's module, which is there by default and switched off.

use http::Version;
use pingora::{
    Result,
    http::{RequestHeader, ResponseHeader},
    modules::http::compression::ResponseCompression,
    proxy::Session,
};

/// zlib's own default. Above it, time grows faster than what it saves.
const LEVEL: u32 = 6;

/// Switches the module on. It reads Accept-Encoding next, before `request_filter`, and reads it its own way: the first
/// coding that it knows counts, `gzip;q=0` included (pingora-core, protocols/http/compression/mod.rs,
/// parse_accept_encoding). So it gets a list that cannot be misread. The upstream gets the same one.
pub(crate) fn offer_gzip(session: &mut Session) -> Result<()> {
    let request = session.req_header_mut();
    if request.headers.contains_key("accept-encoding") {
        let coding = if accepts_gzip(request) {
            "gzip"
        } else {
            "identity"
        };
        request.insert_header("accept-encoding", coding)?;
    }
    // The module frames what it compresses as chunks, which HTTP/1.0 cannot read.
    if session.req_header().version > Version::HTTP_10 {
        set_level(session, LEVEL);
    }
    Ok(())
}

/// Switches it off where an answer must stay as it is: a part of a whole, whose bytes are counted, and what says so
/// (RFC 9111, section 5.2.2.6).
pub(crate) fn leave_alone(session: &mut Session, response: &ResponseHeader) {
    let cache_control = response.headers.get_all("cache-control").iter();
    let mut directives = cache_control
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','));
    let no_transform = directives.any(|word| word.trim().eq_ignore_ascii_case("no-transform"));
    if response.status == 206 || no_transform {
        set_level(session, 0);
    }
}

fn set_level(session: &mut Session, level: u32) {
    let module = session.downstream_modules_ctx.get_mut();
    // Once a body has begun, adjust_level panics.
    if let Some(module) =
        module.filter(|module: &&mut ResponseCompression| module.is_header_phase())
    {
        module.adjust_level(level);
    }
}

/// Whether gzip is on the list with a weight above zero (RFC 9110, section 12.5.3).
fn accepts_gzip(request: &RequestHeader) -> bool {
    let lines = request.headers.get_all("accept-encoding").iter();
    let mut items = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','));
    items.any(|item| {
        let (coding, weight) = item.split_once(';').unwrap_or((item, "q=1"));
        let weight: Option<f32> = weight
            .trim()
            .get(2..)
            .and_then(|weight| weight.parse().ok());
        coding.trim().eq_ignore_ascii_case("gzip") && weight != Some(0.0)
    })
}
