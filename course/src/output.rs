//! Whether what a command printed is what the page shows.

use snapbox::Data;
use snapbox::filter::{NormalizeToExpected, normalize_lines};

/// The words with which cargo starts a line about itself.
const CARGO: [&str; 12] = [
    "Adding",
    "Blocking",
    "Building",
    "Compiling",
    "Dirty",
    "Downloaded",
    "Downloading",
    "Finished",
    "Fresh",
    "Locking",
    "Running",
    "Updating",
];

const LEVELS: [&str; 5] = [" ERROR ", " WARN ", " INFO ", " DEBUG ", " TRACE "];

/// Whether `printed` is what `shown` says: `...` stands for any lines, `[..]` for anything within one.
pub fn matches(shown: &[String], printed: &str) -> bool {
    let expected = Data::text(shown.join("\n"));
    let actual = Data::text(compared(shown, printed));
    NormalizeToExpected::new()
        .redact()
        .normalize(actual, &expected)
        == expected
}

/// What is compared: cargo's own lines and log lines count only where the page shows lines of that kind.
pub fn compared(shown: &[String], printed: &str) -> String {
    let with_cargo = shown.iter().any(|line| is_cargos(line));
    let with_log = shown.iter().any(|line| is_log(line));
    let printed = normalize_lines(printed);
    let kept: Vec<&str> = printed
        .lines()
        .filter(|line| (with_cargo || !is_cargos(line)) && (with_log || !is_log(line)))
        .collect();
    kept.join("\n").trim_end().to_owned()
}

/// Whether cargo has said that it runs what it built.
pub fn says_running(printed: &str) -> bool {
    printed
        .lines()
        .any(|line| line.starts_with("     Running "))
}

/// Cargo aligns its verbs to the right, at column 12.
fn is_cargos(line: &str) -> bool {
    let Some((verb, rest)) = line.split_at_checked(12) else {
        return false;
    };
    rest.starts_with(' ') && CARGO.contains(&verb.trim_start())
}

/// `[2026-01-31T12:00:00Z INFO  target] text`, or the same with parts elided.
fn is_log(line: &str) -> bool {
    let dated = line
        .strip_prefix('[')
        .is_some_and(|rest| rest.starts_with(['2', '[', '.']));
    dated && line.contains(']') && LEVELS.iter().any(|level| line.contains(level))
}
