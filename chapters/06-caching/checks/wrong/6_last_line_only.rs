//! Inserts each line of the 304: of several lines of a name, the last is left.
//! fails: all_lines_of_a_name_are_replaced

// TODO 6.6
// as in the solution
// END TODO

// TODO 6.6
for (name, value) in &newer.headers {
    if !is_left_out(name, newer) {
        stored.insert_header(name.clone(), value.clone())?;
    }
}
Ok(())
// END TODO

// TODO 6.6
// as in the solution
// END TODO
