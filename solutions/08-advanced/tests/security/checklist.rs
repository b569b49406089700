//! The page's table and the tests name each other.

use std::collections::BTreeSet;

use lab::expect;

const PAGE: &str = include_str!("../../../../chapters/08-advanced/README.md");
const TESTS: [(&str, &str); 6] = [
    ("framing", include_str!("framing.rs")),
    ("headers", include_str!("headers.rs")),
    ("http2", include_str!("http2.rs")),
    ("sizes", include_str!("sizes.rs")),
    ("slow", include_str!("slow.rs")),
    ("upstreams", include_str!("upstreams.rs")),
];

#[test]
fn every_test_has_its_line_and_every_line_its_tests() {
    let table = PAGE
        .split("\n## ")
        .find(|it| it.starts_with("Security checklist"));
    let words = table.unwrap_or_default().split('`');
    let named: BTreeSet<String> = words
        .filter(|it| it.contains("::") && !it.contains(' '))
        .map(str::to_owned)
        .collect();
    let there: BTreeSet<String> = TESTS
        .iter()
        .flat_map(|(module, text)| {
            let tests = text.split("#[tokio::test]\nasync fn ").skip(1);
            let names = tests.filter_map(|it| it.split('(').next());
            names.map(move |name| format!("{module}::{name}"))
        })
        .collect();
    let only: Vec<_> = named.symmetric_difference(&there).collect();
    expect(only.is_empty(), format!("only on one side: {only:?}"));
    expect(there.len() > 40, "all of them");
}
