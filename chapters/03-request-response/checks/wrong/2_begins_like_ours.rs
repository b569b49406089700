//! Looks for the host at the beginning and not for the end of the authority: shop.example.evil.example is not ours.
//! fails: another_host_is_left_alone

// TODO 3.2
// as in the solution
// END TODO

// TODO 3.2
// as in the solution
// END TODO

// TODO 3.2
fn public(reference: &str, own: &[&str]) -> Option<String> {
    let lower = reference.to_ascii_lowercase();
    for own in own {
        for scheme in ["http:", ""] {
            if lower.starts_with(&format!("{scheme}//{own}")) {
                let path = reference.get(scheme.len() + 2 + own.len()..)?;
                return Some(format!("{PREFIX}{path}"));
            }
        }
    }
    (reference.starts_with('/') && !reference.starts_with("//")).then(|| format!("{PREFIX}{reference}"))
}
// END TODO
