//! Lower-cases and joins the lines, but still searches for words: those in quotes count too.
//! fails: a_word_in_quotes_is_not_a_directive

// TODO 6.2
let control = lines(&response.headers, header::CACHE_CONTROL);
let has = |word: &str| control.contains(word);
let vary = lines(&response.headers, header::VARY);
let authorized = request.headers.contains_key(header::AUTHORIZATION);
let permitted = has("public") || has("s-maxage") || has("must-revalidate");
!response.headers.contains_key(header::SET_COOKIE)
    && !has("no-store")
    && !has("private")
    && !vary.contains('*')
    && !lines(&request.headers, header::CACHE_CONTROL).contains("no-store")
    && (!authorized || permitted)
// END TODO

// TODO 6.2
fn lines(headers: &HeaderMap, name: header::HeaderName) -> String {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.collect::<Vec<_>>().join(", ").to_ascii_lowercase()
}

fn forget_what_is_private(stored: &mut ResponseHeader) {
    stored.remove_header("x-visitor");
}
// END TODO
