//! Leaves a header that is absent out of the variance: then there is none, and whatever is stored fits.
//! fails: a_header_that_is_absent_is_a_variant_of_its_own

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
    for name in names(answer).filter(|name| request.contains_key(name)) {
        let value = normal(&name, request).into_bytes();
        variance.add_owned_name_value(name, value);
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
