//! Tells a starter as it was published from one that a learner has changed, by `exercises/SHA256SUMS`.

use std::fs;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::chapters::{Chapter, Course, Exercise};
use crate::finding::Finding;

/// How a starter stands to its published sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// As it was published.
    Published,
    /// Changed by a learner, or unreadable.
    Changed,
    /// Its chapter's sums do not name it.
    Unlisted,
}

/// How the starter of an exercise stands to its published sum.
pub fn state(course: &Course, chapter: &Chapter, exercise: &Exercise) -> State {
    let sums = course.read(&sums_file(chapter)).unwrap_or_default();
    let name = file_name(exercise);
    let mut listed = sums.lines().filter_map(entry);
    match listed.find(|(_, file)| *file == name) {
        None => State::Unlisted,
        Some((sum, _)) if sum_of(course, exercise).is_ok_and(|now| now == sum) => State::Published,
        Some(_) => State::Changed,
    }
}

/// What is wrong with a chapter's sums. A changed starter is a flaw only if `strict`, as in CI.
pub fn check(course: &Course, chapter: &Chapter, strict: bool) -> Vec<Finding> {
    let file = sums_file(chapter);
    let sums = match course.read(&file) {
        Ok(sums) => sums,
        Err(_) if chapter.exercises.is_empty() => return Vec::new(),
        Err(_) => return vec![Finding::new(file, 0, format!("is missing; {WRITE}"))],
    };
    let mut findings: Vec<Finding> = (1..)
        .zip(sums.lines())
        .filter_map(|(line, text)| Some(Finding::new(&file, line, stale(chapter, text)?)))
        .collect();
    for exercise in &chapter.exercises {
        match state(course, chapter, exercise) {
            State::Unlisted => {
                let what = format!("{} is not listed; {WRITE}", file_name(exercise));
                findings.push(Finding::new(&file, 0, what));
            }
            State::Changed if strict => {
                let what = format!(
                    "differs from what was published; undo the change or, if it is meant, {WRITE}"
                );
                findings.push(Finding::new(&exercise.file, 0, what));
            }
            State::Changed | State::Published => {}
        }
    }
    findings
}

/// Publishes the starters as they are: writes the chapter's `exercises/SHA256SUMS`, in the form of `sha256sum`.
///
/// # Errors
/// If a starter cannot be read or the file cannot be written.
pub fn write_sums(course: &Course, chapter: &Chapter) -> Result<(), Finding> {
    let mut sums = String::new();
    for exercise in &chapter.exercises {
        let sum = sum_of(course, exercise)?;
        sums += &format!("{sum}  {}\n", file_name(exercise));
    }
    let file = sums_file(chapter);
    fs::write(course.root.join(&file), sums)
        .map_err(|error| Finding::new(file, 0, format!("cannot be written: {error}")))
}

const WRITE: &str = "run `cargo course sums`";

fn sums_file(chapter: &Chapter) -> PathBuf {
    chapter.dir.join("exercises").join("SHA256SUMS")
}

fn file_name(exercise: &Exercise) -> String {
    format!("{}.rs", exercise.slug)
}

/// `sum  file`
fn entry(line: &str) -> Option<(&str, &str)> {
    let (sum, file) = line.split_once("  ")?;
    let hexadecimal = sum.len() == 64 && sum.chars().all(|c| c.is_ascii_hexdigit());
    hexadecimal.then_some((sum, file))
}

/// Why a line of the sums says nothing about the chapter.
fn stale(chapter: &Chapter, line: &str) -> Option<String> {
    let Some((_, file)) = entry(line) else {
        return Some(format!("not a line of sha256sum; {WRITE}"));
    };
    let known = chapter
        .exercises
        .iter()
        .any(|exercise| file_name(exercise) == file);
    (!known).then(|| format!("{file} belongs to no exercise; {WRITE}"))
}

/// The sum of a starter as it is now, in the form of `sha256sum`.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn sum_of(course: &Course, exercise: &Exercise) -> Result<String, Finding> {
    let text = course.read(&exercise.file)?;
    let sum = Sha256::digest(text.as_bytes());
    Ok(sum.iter().map(|byte| format!("{byte:02x}")).collect())
}
