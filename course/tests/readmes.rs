//! Runs the console blocks of every README: what a page shows is what its commands print.

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use course::chapters::{Chapter, Course, Exercise};
use course::process::stop_all_on_signals;
use course::published::{self, State};
use course::readme::Readme;
use course::session::{Limits, play};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments = Arguments::from_args();
    let course = Arc::new(Course::find()?);
    stop_all_on_signals()?;
    Ok(libtest_mimic::run(&arguments, trials(&course)).exit_code())
}

fn trials(course: &Arc<Course>) -> Vec<Trial> {
    let chapters = course.chapters.iter().map(|chapter| &chapter.readme);
    let pages = std::iter::once(&course.front).chain(chapters);
    let pages = pages.filter(|page| !page.text.is_empty());
    pages
        .map(|page| {
            let (course, page) = (Arc::clone(course), page.clone());
            Trial::test(page.path.display().to_string(), move || run(&course, &page))
        })
        .collect()
}

fn run(course: &Course, page: &Readme) -> Result<(), Failed> {
    let changed = changed(course);
    for exercise in changed.iter().filter(|exercise| has_blocks(page, exercise)) {
        println!(
            "{}: the commands of {} are left out: {} is not as it was published",
            page.path.display(),
            exercise.id(),
            exercise.file.display()
        );
    }
    let is_changed = |section| {
        changed
            .iter()
            .any(|exercise| (exercise.chapter, exercise.number) == section)
    };
    let findings = play(&course.root, page, Limits::default(), is_changed)?;
    let texts: Vec<String> = findings.iter().map(ToString::to_string).collect();
    if texts.is_empty() {
        Ok(())
    } else {
        Err(texts.join("\n\n").into())
    }
}

/// A learner's own answers; in CI a difference is a mistake, so nothing is left out.
fn changed(course: &Course) -> Vec<&Exercise> {
    if std::env::var_os("CI").is_some() {
        return Vec::new();
    }
    let is_changed = |chapter: &Chapter, exercise: &Exercise| {
        published::state(course, chapter, exercise) == State::Changed
    };
    course
        .chapters
        .iter()
        .flat_map(|chapter| {
            chapter
                .exercises
                .iter()
                .filter(move |exercise| is_changed(chapter, exercise))
        })
        .collect()
}

fn has_blocks(page: &Readme, exercise: &Exercise) -> bool {
    let section = Some((exercise.chapter, exercise.number));
    page.blocks
        .iter()
        .any(|block| block.language() == "console" && block.section == section)
}
