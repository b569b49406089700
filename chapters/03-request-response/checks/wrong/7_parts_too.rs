//! Looks at type and length alone: parts of a body, and what must not be transformed, are compressed too.
//! fails: a_part_stays_a_part, what_must_not_be_transformed_is_not

// TODO 3.7
// as in the solution
// END TODO

// TODO 3.7
// as in the solution
// END TODO

// TODO 3.7
let length = header("content-length").and_then(|length| length.parse::<u64>().ok());
let text = ["text/", "application/j", "image/svg"].iter().any(|it| content_type.starts_with(it))
    || content_type.ends_with("+json");
text
    && !content_type.starts_with("text/event-stream")
    && length.is_some_and(|length| length >= 256)
    && !response.headers.contains_key("content-encoding")
// END TODO
