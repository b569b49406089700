//! The README's table of rules is kept to what is there: every place in the code and every check that it names exists,
//! and every check is named.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::root;

const CHAPTER: &str = "chapters/06-caching";
const CHECKS: &str = "solutions/06-caching/tests/rfc9111";

struct Row {
    line: usize,
    code: Vec<String>,
    checks: Vec<String>,
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_default()
}

/// The rows of the table in the section on rules: rule, section, code, checks.
fn rows() -> Vec<Row> {
    let readme = read(&format!("{CHAPTER}/README.md"));
    let lines = readme.lines().zip(1..);
    let section = lines.skip_while(|(line, _)| *line != "## The rules, one by one");
    let section = section
        .skip(1)
        .take_while(|(line, _)| !line.starts_with("## "));
    let rows = section.filter(|(line, _)| line.starts_with("| ") && line.contains('`'));
    rows.map(|(line, number)| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").collect();
        Row {
            line: number,
            code: quoted(cells.get(2)),
            checks: quoted(cells.get(3)),
        }
    })
    .collect()
}

fn quoted(cell: Option<&&str>) -> Vec<String> {
    let parts = cell.map(|cell| cell.split('`').collect::<Vec<_>>());
    let parts = parts.unwrap_or_default().into_iter().skip(1).step_by(2);
    parts.map(str::to_owned).collect()
}

/// Whether the function, type or constant `name` of `module::name` is in that module below `folder`.
fn exists(folder: &str, path: &str) -> bool {
    let Some((module, name)) = path.rsplit_once("::") else {
        return false;
    };
    let module = module.replace("::", "/");
    let files = [
        format!("{folder}/{module}.rs"),
        format!("{folder}/{module}/mod.rs"),
    ];
    let text = files.map(|file| read(&file)).concat();
    let kinds = ["fn", "struct", "enum", "const"];
    kinds.into_iter().any(|kind| {
        let found = format!("{kind} {name}");
        text.match_indices(&found).any(|(at, _)| {
            let after = text
                .get(at + found.len()..)
                .and_then(|rest| rest.chars().next());
            after.is_some_and(|next| !next.is_alphanumeric() && next != '_')
        })
    })
}

/// The names of all tests, by module.
fn all_checks() -> BTreeSet<String> {
    let files = fs::read_dir(root().join(CHECKS)).into_iter().flatten();
    let files = files.flatten().map(|file| file.path());
    files.flat_map(|path| checks_in(&path)).collect()
}

fn checks_in(path: &Path) -> Vec<String> {
    let module = path
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let text = fs::read_to_string(path).unwrap_or_default();
    let tests = text.split("#[tokio::test]\nasync fn ").skip(1);
    let names = tests.filter_map(|test| test.split('(').next());
    names.map(|name| format!("{module}::{name}")).collect()
}

#[test]
fn every_place_and_check_that_it_names_exists() {
    let rows = rows();
    assert!(rows.len() > 40, "the table has only {} rows", rows.len());
    for Row { line, code, checks } in rows {
        assert!(
            !code.is_empty() && !checks.is_empty(),
            "README.md:{line} names nothing"
        );
        for place in code {
            let found = exists(&format!("{CHAPTER}/src"), &place);
            assert!(found, "README.md:{line} names {place}, which is not in src");
        }
        for check in checks {
            let found = all_checks().contains(&check);
            assert!(found, "README.md:{line} names {check}, which is no check");
        }
    }
}

#[test]
fn it_names_every_check() {
    let named: BTreeSet<String> = rows().into_iter().flat_map(|row| row.checks).collect();
    let missing: Vec<_> = all_checks().difference(&named).cloned().collect();
    assert!(
        missing.is_empty(),
        "not in the README's table: {missing:#?}"
    );
}
