//! Reads a line with two of them up to the comma: two traceparents in one line are no valid one.
//! fails: version_00_has_four_fields_and_no_more

// TODO 7.5
/// The trace that the request belongs to, if it names one that is well formed.
fn received(request: &RequestHeader) -> Option<Trace> {
    let mut lines = request.headers.get_all(TRACEPARENT).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return None;
    };
    let mut fields = line.to_str().ok()?.split(',').next()?.trim_matches([' ', '\t']).split('-');
    let version = hex(fields.next()?, 2)?;
    let id = hex(fields.next()?, 32).filter(|id| !all_zero(id))?;
    hex(fields.next()?, 16).filter(|parent| !all_zero(parent))?;
    let flags = u8::from_str_radix(hex(fields.next()?, 2)?, 16).ok()?;
    // Version ff is forbidden, 00 ends here, and a later one may go on (Trace Context, 3.2.2.1 and 3.2.4).
    if version == "ff" || (version == "00" && fields.next().is_some()) {
        return None;
    }
    Some(Trace {
        id: id.to_owned(),
        sampled: flags & 1 == 1,
        continued: true,
    })
}

/// The text, if it is so many lower case hex digits. `from_str_radix` also takes upper case and a sign.
fn hex(text: &str, digits: usize) -> Option<&str> {
    let lower = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (text.len() == digits && text.bytes().all(lower)).then_some(text)
}

fn all_zero(digits: &str) -> bool {
    digits.bytes().all(|digit| digit == b'0')
}
// END TODO

    // TODO 7.5
    if !trace.continued {
        // Without a valid traceparent nobody knows whose state this is (Trace Context, 3.3).
        upstream_request.remove_header("tracestate");
    }
    let value = format!(
        "00-{}-{}-{:02x}",
        trace.id,
        span_id(),
        u8::from(trace.sampled)
    );
    upstream_request.insert_header(TRACEPARENT, value)
    // END TODO
