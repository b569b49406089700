//! Takes everything up to the first colon for the name, which cuts an IPv6 address in two.
//! fails: the_colons_of_an_ipv6_address_are_no_port

// TODO 3.1
// as in the solution
// END TODO

// TODO 3.1
fn has_dot_segment(path: &str) -> bool {
    let path = path.to_ascii_lowercase().replace("%2e", ".").replace("%2f", "/");
    path.split('/').any(|segment| segment == "." || segment == "..")
}

fn name(host: &str) -> &str {
    let name = host.split(':').next().unwrap_or_default();
    name.strip_suffix('.').unwrap_or(name)
}

fn covers(prefix: &str, path: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| prefix.ends_with('/') || rest.is_empty() || rest.starts_with('/'))
}
// END TODO
