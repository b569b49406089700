//! Takes everything that begins with a slash for a path, an authority without a scheme too.
//! fails: a_redirect_to_elsewhere_is_left_alone, a_redirect_without_a_scheme_is_mapped_back

// TODO 3.2
// as in the solution
// END TODO

// TODO 3.2
// as in the solution
// END TODO

// TODO 3.2
fn public(reference: &str, own: &[&str]) -> Option<String> {
    let rest = match reference.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => {
            let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
            own.iter().find(|own| own.eq_ignore_ascii_case(authority))?;
            path
        }
        _ if reference.starts_with('/') => reference,
        _ => return None,
    };
    Some(format!("{PREFIX}{rest}"))
}
// END TODO
