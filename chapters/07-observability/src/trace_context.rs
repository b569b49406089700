//! The headers by which one trace goes through many programs: traceparent and tracestate (W3C Trace Context).

use std::collections::HashSet;

use http::HeaderMap;
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use pingora::{Result, http::RequestHeader};

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";
/// "There can be a maximum of 32 list-members in a list" (section 3.3.1.1).
const MAX_MEMBERS: usize = 32;

/// Where the request comes from. Not valid where no header says it or none can be believed: then a new trace begins, and
/// the tracestate is that of nobody (section 3.2: what cannot be read "MUST be ignored", and section 3.3 with it).
pub(crate) fn extract(headers: &HeaderMap) -> SpanContext {
    let mut values = headers.get_all(TRACEPARENT).iter();
    let parent = match (values.next(), values.next()) {
        (Some(only), None) => only.to_str().ok().and_then(parse),
        // Two cannot both be the parent.
        _ => None,
    };
    let Some((trace, span, flags)) = parent else {
        return SpanContext::empty_context();
    };
    SpanContext::new(trace, span, flags, true, state(headers).unwrap_or_default())
}

/// Section 3.2.2. A version that is not known yet may have more fields after these four, which must be as they are now.
fn parse(value: &str) -> Option<(TraceId, SpanId, TraceFlags)> {
    let mut fields = value.split('-');
    let version = hex(fields.next()?, 2)?;
    let trace = TraceId::from_hex(hex(fields.next()?, 32)?).ok()?;
    let span = SpanId::from_hex(hex(fields.next()?, 16)?).ok()?;
    let flags = u8::from_str_radix(hex(fields.next()?, 2)?, 16).ok()?;
    let longer = fields.next().is_some();
    if version == "ff" || (version == "00" && longer) {
        return None;
    }
    if trace == TraceId::INVALID || span == SpanId::INVALID {
        return None;
    }
    // Of the other flags version 00 says nothing: they are not passed on.
    Some((trace, span, TraceFlags::new(flags) & TraceFlags::SAMPLED))
}

/// Lower case only: `TraceId::from_hex` would take a plus sign and capitals too.
fn hex(text: &str, length: usize) -> Option<&str> {
    let lower = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (text.len() == length && text.bytes().all(lower)).then_some(text)
}

/// One list, over all headers of the name. With a member that is wrong, the whole list is dropped (section 3.3.1.3).
fn state(headers: &HeaderMap) -> Option<TraceState> {
    let mut members = Vec::new();
    let mut keys = HashSet::new();
    for header in headers.get_all(TRACESTATE) {
        let list = header.to_str().ok()?.split(',');
        // An empty member is allowed.
        for member in list.map(str::trim).filter(|it| !it.is_empty()) {
            let (key, value) = member.split_once('=')?;
            if !keys.insert(key) || members.len() == MAX_MEMBERS {
                return None;
            }
            members.push((key, value));
        }
    }
    TraceState::from_key_value(members).ok()
}

/// Names this span as the parent, in place of what the client named.
///
/// # Errors
/// None that can be thought of: ids are hexadecimal and a state was read from a header.
pub(crate) fn inject(request: &mut RequestHeader, span: &SpanContext) -> Result<()> {
    request.remove_header(TRACEPARENT);
    request.remove_header(TRACESTATE);
    if !span.is_valid() {
        return Ok(());
    }
    let (trace, id) = (span.trace_id(), span.span_id());
    let flags = u8::from(span.is_sampled());
    request.insert_header(TRACEPARENT, format!("00-{trace}-{id}-{flags:02x}"))?;
    let state = span.trace_state().header();
    if !state.is_empty() {
        request.insert_header(TRACESTATE, state)?;
    }
    Ok(())
}
