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
        let value = normal(&name, request);
        variance.add_owned_name_value(name, value);
    }
    variance.finalize()
}

fn normal(name: &str, request: &HeaderMap) -> Vec<u8> {
    let lines = request.get_all(name).iter().map(HeaderValue::as_bytes);
    let whole = lines.collect::<Vec<_>>().join(&b","[..]);
    if name != header::ACCEPT_ENCODING && name != header::ACCEPT_LANGUAGE {
        return whole;
    }
    let mut whole = whole.to_ascii_lowercase();
    whole.retain(|byte| !b" \t".contains(byte));
    let members = whole.split(|byte| *byte == b',');
    let mut members: Vec<&[u8]> = members.filter(|it| !it.is_empty()).collect();
    members.sort_unstable();
    members.join(&b","[..])
}
// END TODO
