//! The README's table of rules is kept to what is there.

#[test]
fn placeholder() {}
