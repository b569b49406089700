//! Refuses `..` as it is written and forgets that dots can be encoded, and that one dot is a segment too.
//! fails: dot_segments_are_refused, encoded_dot_segments_are_refused

// TODO 3.1
// as in the solution
// END TODO

// TODO 3.1
fn has_dot_segment(path: &str) -> bool {
    path.split('/').any(|segment| segment == "..")
}

fn name(host: &str) -> &str {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => name,
        _ => host,
    };
    name.strip_suffix('.').unwrap_or(name)
}

fn covers(prefix: &str, path: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| prefix.ends_with('/') || rest.is_empty() || rest.starts_with('/'))
}
// END TODO
