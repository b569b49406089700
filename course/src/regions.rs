//! A starter and its solution differ only in their regions, and so do the known wrong answers.

use std::path::Path;

use crate::chapters::{Course, Exercise};
use crate::compose::{Cut, compose, cut};
use crate::finding::Finding;

/// What is wrong with the regions of an exercise: the first flaw of its solution, or else of the starter and of each
/// wrong answer.
pub fn check(course: &Course, exercise: &Exercise) -> Vec<Finding> {
    let text = match course.read(&exercise.solution) {
        Ok(text) => text,
        Err(finding) => return vec![finding],
    };
    let solution = match regions_of(exercise, &exercise.solution, &text) {
        Ok(solution) => solution,
        Err(finding) => return vec![finding],
    };
    let wrong = exercise.wrong.iter();
    let wrong = wrong.map(|wrong| check_wrong(course, exercise, wrong, &text));
    std::iter::once(check_starter(course, exercise, &solution))
        .chain(wrong)
        .filter_map(Result::err)
        .collect()
}

/// The tests named by `//! fails:`, at least one of which a wrong answer must fail.
pub fn fails(wrong: &str) -> Vec<&str> {
    wrong
        .lines()
        .find_map(|line| line.strip_prefix(FAILS))
        .into_iter()
        .flat_map(|names| names.split(','))
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect()
}

const FAILS: &str = "//! fails:";

fn check_starter(course: &Course, exercise: &Exercise, solution: &Cut) -> Result<(), Finding> {
    let starter = course.read(&exercise.file)?;
    let starter = regions_of(exercise, &exercise.file, &starter)?;
    agree(exercise, &starter, solution)
}

/// The regions of a starter or solution: at least one, all of this exercise.
fn regions_of<'a>(exercise: &Exercise, file: &Path, text: &'a str) -> Result<Cut<'a>, Finding> {
    let id = exercise.id();
    let cut = cut(text).map_err(|(line, what)| Finding::new(file, line, what))?;
    if cut.regions.is_empty() {
        return Err(Finding::new(
            file,
            0,
            format!(
                "no region; put what the learner writes between // TODO {id}: ... and // END TODO"
            ),
        ));
    }
    match cut.regions.iter().find(|region| region.number != id) {
        None => Ok(cut),
        Some(region) => Err(Finding::new(
            file,
            region.line,
            format!(
                "a region of {} in exercise {id}; begin it with // TODO {id}",
                region.number
            ),
        )),
    }
}

/// Outside of the regions the two files are equal line by line.
fn agree(exercise: &Exercise, starter: &Cut, solution: &Cut) -> Result<(), Finding> {
    let (has, needs) = (starter.regions.len(), solution.regions.len());
    if has != needs {
        let solution = exercise.solution.display();
        let what = format!(
            "regions: {has} here, {needs} in {solution}; give both the same, in the same order"
        );
        return Err(Finding::new(&exercise.file, 0, what));
    }
    let mut pairs = outside(starter).zip(outside(solution));
    let Some((here, there)) = pairs.find(|(here, there)| here.1 != there.1) else {
        return Ok(());
    };
    let what = format!(
        "{} here, {} in {}:{}; make them equal, or put the line into a region",
        quoted(here.1),
        quoted(there.1),
        exercise.solution.display(),
        there.0
    );
    Err(Finding::new(&exercise.file, here.0, what))
}

/// The lines outside of the regions with their numbers; None where a region begins or the file ends.
fn outside<'a>(cut: &'a Cut) -> impl Iterator<Item = (usize, Option<&'a str>)> {
    let before = cut.regions.iter().flat_map(|region| {
        let first = region.line - region.before.len();
        numbered(first, &region.before)
    });
    let end = cut
        .regions
        .last()
        .map_or(0, |last| last.line + last.body.len() + 1);
    before.chain(numbered(end + 1, &cut.rest))
}

fn numbered<'a>(
    first: usize,
    lines: &'a [&'a str],
) -> impl Iterator<Item = (usize, Option<&'a str>)> {
    let lines = lines.iter().map(|line| Some(*line));
    (first..).zip(lines.chain([None]))
}

fn quoted(line: Option<&str>) -> String {
    match line.map(str::trim) {
        None => "a region or the end of the file".to_owned(),
        Some("") => "an empty line".to_owned(),
        Some(line) => format!("`{line}`"),
    }
}

fn check_wrong(
    course: &Course,
    exercise: &Exercise,
    file: &Path,
    solution: &str,
) -> Result<(), Finding> {
    let (wrong, check) = (course.read(file)?, course.read(&exercise.check)?);
    regions_of(exercise, file, &wrong)?;
    let flaw = |what: String| Finding::new(file, 0, what);
    let mut said = wrong.lines().filter(|line| line.starts_with("//! "));
    if !said.any(|line| !line.starts_with(FAILS)) {
        return Err(flaw("say in a //! line what the mistake is".to_owned()));
    }
    let fails = fails(&wrong);
    if fails.is_empty() {
        return Err(flaw(format!(
            "add a line `{FAILS} name` that names a test which must fail"
        )));
    }
    if let Some(name) = fails
        .iter()
        .find(|name| !check.contains(&format!("fn {name}(")))
    {
        let check = exercise.check.display();
        return Err(flaw(format!(
            "{check} has no test {name}; name one of its tests after {FAILS}"
        )));
    }
    compose(solution, &wrong).map(drop).map_err(flaw)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOLUTION: &str =
        "a\n// TODO 1.1: x\nb\n// END TODO\nc\n  // TODO 1.1\n  d\n  // END TODO\n";

    #[test]
    fn a_wrong_answer_replaces_bodies_and_keeps_the_rest() {
        let wrong = "//! w\n// TODO 1.1\nwrong\n// END TODO\n\n// TODO 1.1\n  // as in the solution\n// END TODO\n";
        let composed =
            "a\n// TODO 1.1: x\nwrong\n// END TODO\nc\n  // TODO 1.1\n  d\n  // END TODO\n";
        assert_eq!(compose(SOLUTION, wrong).unwrap(), composed);
    }

    #[test]
    fn an_answer_to_another_exercise_does_not_compose() {
        let wrong = "// TODO 1.1\nwrong\n// END TODO\n// TODO 1.2\n// END TODO\n";
        let error = "line 4: this region belongs to 1.1 in the solution; begin it with // TODO 1.1";
        assert_eq!(compose(SOLUTION, wrong).unwrap_err(), error);
    }

    #[test]
    fn several_tests_may_be_named() {
        assert_eq!(
            fails("//! It is late.\n//! fails: one, two\n"),
            ["one", "two"]
        );
        assert_eq!(fails("//! It is late.\n"), [""; 0]);
    }
}
