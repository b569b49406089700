//! Compares what clients wrote: each spelling is a variant, and few of them are ever found again.
//! fails: order_case_and_spaces_mean_nothing, lines_of_a_header_are_one_list

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
        let value = match request.get(&name) {
            Some(value) => [b"+", value.as_bytes()].concat(),
            None => b"-".to_vec(),
        };
        variance.add_owned_name_value(name, value);
    }
    variance.finalize()
}
// END TODO
