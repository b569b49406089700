//! Compresses what has no length as well: the module holds it back until the end.
//! fails: a_stream_still_streams

// TODO 3.7
// as in the solution
// END TODO

// TODO 3.7
// as in the solution
// END TODO

// TODO 3.7
let length = header("content-length").and_then(|length| length.parse::<u64>().ok());
let whole = response.status != 206;
let forbidden = items(&response.headers, "cache-control")
    .any(|item| item.eq_ignore_ascii_case("no-transform"));
let text = ["text/", "application/j", "image/svg"].iter().any(|it| content_type.starts_with(it))
    || content_type.ends_with("+json");
whole
    && !forbidden
    && text
    && !content_type.starts_with("text/event-stream")
    && length.is_none_or(|length| length >= 256)
    && !response.headers.contains_key("content-encoding")
// END TODO
