//! Where the learner is: chapters, exercises, minutes, and what to do next.

use std::fmt::Write;

use crate::chapters::{Chapter, Course, Exercise};
use crate::progress::{Progress, State};

/// What `cargo course` alone shows: each chapter and the next step.
pub fn overview(course: &Course, progress: &Progress) -> String {
    let mut text = String::new();
    for chapter in &course.chapters {
        let solved =
            |exercise: &&Exercise| progress.state(course, chapter, exercise) == State::Passed;
        let solved = chapter.exercises.iter().filter(solved).count();
        let count = chapter.exercises.len();
        line(
            &mut text,
            &format!(
                "{:02} {:28} {solved} of {count} solved",
                chapter.number, chapter.title
            ),
        );
    }
    format!("{text}\n{}", next(course, progress))
}

/// What `cargo course list` shows: every exercise and the sums of the paths.
pub fn list(course: &Course, progress: &Progress) -> String {
    let mut text = String::new();
    for chapter in &course.chapters {
        line(
            &mut text,
            &format!("{:02} {}", chapter.number, chapter.title),
        );
        for exercise in &chapter.exercises {
            let kind = if exercise.core { "core" } else { "extra" };
            let state = progress.state(course, chapter, exercise);
            let minutes = exercise.minutes;
            let heading = exercise.heading();
            line(
                &mut text,
                &format!("   {heading:44} {minutes:>3} min  {kind:5}  {state}"),
            );
        }
        text.push('\n');
    }
    line(
        &mut text,
        &format!(
            "One day, core exercises   {}",
            hours(sum(course, |exercise| exercise.core))
        ),
    );
    line(
        &mut text,
        &format!("Everything                {}", hours(sum(course, |_| true))),
    );
    text
}

/// What to do next, with the commands.
pub fn next(course: &Course, progress: &Progress) -> String {
    let items = course.chapters.iter().flat_map(|chapter| {
        chapter
            .exercises
            .iter()
            .map(move |exercise| (chapter, exercise))
    });
    let mut open = items.filter_map(|(chapter, exercise)| {
        let state = progress.state(course, chapter, exercise);
        (state != State::Passed).then_some((chapter, exercise, state))
    });
    let Some((chapter, exercise, state)) = open.next() else {
        return "Every exercise is solved.".to_owned();
    };
    let standing = match state {
        State::Changed => ", edited but not checked yet",
        State::Failed => ", not passed yet",
        State::Untouched | State::Passed => "",
    };
    let (heading, minutes, id) = (exercise.heading(), exercise.minutes, exercise.id());
    format!(
        "Next: {heading}, {minutes} minutes{standing}\n  Read   {}\n  Edit   {}\n  Check  cargo course check {id}",
        anchor(chapter, exercise),
        exercise.file.display()
    )
}

/// Where an exercise and its hints stand: `chapters/02-first-proxy/README.md#21-forward`.
pub fn anchor(chapter: &Chapter, exercise: &Exercise) -> String {
    let page = chapter.readme.path.display();
    let heading = chapter
        .readme
        .headings
        .iter()
        .find(|heading| heading.line == exercise.line);
    heading.map_or_else(
        || page.to_string(),
        |heading| format!("{page}#{}", heading.anchor),
    )
}

/// Minutes of reading and of the exercises that are part of a path.
fn sum(course: &Course, is_part: impl Fn(&Exercise) -> bool) -> u32 {
    let reading = course
        .chapters
        .iter()
        .filter_map(|chapter| chapter.minutes.as_ref());
    let exercises = course
        .chapters
        .iter()
        .flat_map(|chapter| &chapter.exercises);
    let exercises = exercises.filter(|exercise| is_part(exercise));
    reading.map(|minutes| minutes.reading).sum::<u32>()
        + exercises.map(|exercise| exercise.minutes).sum::<u32>()
}

/// `3 h 05 min`
fn hours(minutes: u32) -> String {
    format!("{} h {:02} min", minutes / 60, minutes % 60)
}

fn line(text: &mut String, line: &str) {
    let _infallible = writeln!(text, "{line}");
}
