//! Compares tags to the letter, and takes a date where the tag does not fit.
//! fails: tags_are_compared_weakly, a_tag_wins_over_a_date

// TODO 6.6
let tag = answer.headers.get(header::ETAG).and_then(|tag| tag.to_str().ok());
let lists = request.headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|list| list.to_str().ok());
let mut tags = lists.flat_map(|list| list.split(',')).map(str::trim);
if tags.any(|it| it == "*" || Some(it) == tag) {
    return true;
}
let mut dates = request.clone();
dates.remove_header(&header::IF_NONE_MATCH);
not_modified_filter(&dates, answer)
// END TODO

// TODO 6.6
// as in the solution
// END TODO

// TODO 6.6
// as in the solution
// END TODO
