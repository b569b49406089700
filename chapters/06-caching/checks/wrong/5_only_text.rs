//! Makes text of what a client sent: whatever is not text becomes the same.
//! fails: every_byte_counts

// TODO 6.5
// as in the solution
// END TODO

// TODO 6.5
// as in the solution
// END TODO

// TODO 6.5
use pingora_cache::{VarianceBuilder, key::HashBinary};

fn variance(answer: &HeaderMap, request: &HeaderMap) -> Option<HashBinary> {
    let mut variance = VarianceBuilder::new();
    for name in names(answer) {
        let value = match request.contains_key(&name) {
            true => format!("+{}", normal(&name, request)),
            false => "-".to_owned(),
        };
        variance.add_owned_name_value(name, value.into_bytes());
    }
    variance.finalize()
}

fn normal(name: &str, request: &HeaderMap) -> String {
    let lines = request.get_all(name).iter();
    let lines = lines.map(|line| String::from_utf8_lossy(line.as_bytes()));
    let whole = lines.collect::<Vec<_>>().join(",");
    if name != header::ACCEPT_ENCODING && name != header::ACCEPT_LANGUAGE {
        return whole;
    }
    let whole = whole.replace([' ', '\t'], "").to_ascii_lowercase();
    let mut members: Vec<&str> = whole.split(',').filter(|it| !it.is_empty()).collect();
    members.sort_unstable();
    members.join(",")
}
// END TODO
