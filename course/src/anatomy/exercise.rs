//! The shape that all exercises share.

use std::ops::Range;

use crate::chapters::{BEHAVIOUR, Chapter, Exercise, NOT_PROVED, stated_line};
use crate::finding::Report;
use crate::readme::Readme;

/// Notes every flaw in the text of an exercise, which is due to be the chapter's `number`th.
pub(super) fn check(report: &mut Report, chapter: &Chapter, exercise: &Exercise, number: u8) {
    let (readme, section) = (&chapter.readme, chapter.section(exercise));
    let (id, line) = (exercise.id(), exercise.line);
    let due = format!("{}.{number}", chapter.number);
    let what = format!("exercise {id} stands where {due} is due; number them in order");
    report.want(id == due, line, what);

    stated(report, exercise, stated_line(readme, section.clone()));
    let what = format!("exercise {id} does not say why; say it under the minutes");
    report.want(says_why(readme, &section), line, what);
    let what = format!("exercise {id} names no behaviour; list it under `{BEHAVIOUR}`");
    report.want(!exercise.behaviour.is_empty(), line, what);
    hints(report, readme, exercise, &section);
    let what = format!(
        "exercise {id} does not say what passing leaves open; end it with a paragraph {NOT_PROVED}"
    );
    report.want(!exercise.not_proved.is_empty(), line, what);
}

/// The line under the heading: minutes, core or extra, and the file to edit.
fn stated(report: &mut Report, exercise: &Exercise, line: &str) {
    let Exercise {
        minutes,
        number,
        slug,
        ..
    } = exercise;
    let core = if exercise.core { "core" } else { "extra" };
    let good = *minutes > 0
        && line == format!("{minutes} minutes · {core} · edit `exercises/{slug}.rs`")
        && slug.starts_with(&format!("{number}_"));
    let id = exercise.id();
    report.want(
        good,
        exercise.line,
        format!(
            "under the heading of exercise {id} write a line of this form: 20 minutes · core · edit `exercises/{number}_name.rs`"
        ),
    );
    let short = !good || (10..=25).contains(minutes);
    let what = format!("exercise {id} takes {minutes} minutes; cut it to 10 to 25");
    report.want(short, exercise.line, what);
}

/// Whether there is text between the line of the minutes and the wanted behaviour.
fn says_why(readme: &Readme, section: &Range<usize>) -> bool {
    let behaviour = readme.paragraph(section.clone(), BEHAVIOUR);
    let end = behaviour.map_or(section.end, |(line, _)| line);
    let lines = readme.prose(section.start + 1..end);
    lines.filter(|(_, text)| !text.is_empty()).count() > 1
}

fn hints(report: &mut Report, readme: &Readme, exercise: &Exercise, section: &Range<usize>) {
    let id = exercise.id();
    let count = match exercise.hints.len() {
        0 => "no hints".to_owned(),
        1 => "one hint".to_owned(),
        count => format!("{count} hints"),
    };
    let what = format!(
        "exercise {id} has {count}; write three, each in <details><summary>Hint N: ...</summary>"
    );
    report.want(exercise.hints.len() == 3, exercise.line, what);
    let details = readme.details_in(section);
    let hints = details.filter(|details| details.summary.starts_with("Hint"));
    for (number, hint) in (1..).zip(hints) {
        let words = hint.summary.strip_prefix(&format!("Hint {number}: "));
        let named = words.is_some_and(|words| !words.is_empty());
        let what = format!("this is `Hint {number}: ...`; number the hints from 1 and name each");
        report.want(named, hint.line, what);
        let what = format!("hint {number} of exercise {id} is empty; write it");
        report.want(!hint.text.trim().is_empty(), hint.line, what);
    }
}
