//! Takes CACHE_BYTES for something larger than bytes.
//! fails: the_store_never_holds_more_than_its_limit

// TODO 6.8
// as in the solution
// END TODO

// TODO 6.8
// as in the solution
// END TODO

// TODO 6.8
#[path = "../../chapters/06-caching/src/store/mod.rs"]
mod store;

fn new_store(limit: usize) -> store::Store {
    store::Store::new(limit * 1024)
}

fn is_still_the_same(request: &RequestHeader, answer: &ResponseHeader) -> bool {
    let Some(condition) = request.headers.get(header::IF_RANGE) else {
        return true;
    };
    let validator = match condition.as_bytes().starts_with(b"\"") {
        true => answer.headers.get(header::ETAG),
        false => answer.headers.get(header::LAST_MODIFIED),
    };
    validator == Some(condition)
}

fn last_bytes(request: &RequestHeader) -> Option<u64> {
    let range = request.headers.get(header::RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes=-")?.parse().ok()
}

fn length(answer: &ResponseHeader) -> Option<u64> {
    let length = answer.headers.get(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

fn unsatisfiable(answer: &mut ResponseHeader) -> RangeType {
    let length = length(answer).unwrap_or_default();
    let _ = answer.insert_header(header::CONTENT_RANGE, format!("bytes */{length}"));
    let _ = answer.insert_header(header::CONTENT_LENGTH, 0);
    let _ = answer.set_status(StatusCode::RANGE_NOT_SATISFIABLE);
    RangeType::Invalid
}
// END TODO
