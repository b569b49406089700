//! Does not look at If-Range: a client puts two versions together and has neither.
//! fails: a_part_fits_what_the_client_has_or_is_not_sent, a_weak_tag_is_no_ground_for_a_part

// TODO 6.8
if request.method != Method::GET {
    return RangeType::None;
}
let mut request = request.clone();
request.remove_header(&header::IF_RANGE);
match last_bytes(&request) {
    Some(0) => unsatisfiable(answer),
    Some(_) if length(answer) == Some(0) => RangeType::None,
    _ => pingora::proxy::range_header_filter(&request, answer, Some(2)),
}
// END TODO

// TODO 6.8
// as in the solution
// END TODO

// TODO 6.8
// as in the solution
// END TODO
