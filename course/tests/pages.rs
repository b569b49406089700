//! What the pages say is true of the files: shape, links, code shown, regions and published sums.
//!
//! Pages, chapters and exercises are found by looking at the folders, so a new one is tested as soon as it is there.

use std::process::ExitCode;

use course::chapters::{Chapter, Course, Exercise};
use course::finding::Finding;
use course::published::State;
use course::{anatomy, links, page, published, regions, sources};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    match Course::find() {
        Ok(course) => libtest_mimic::run(&arguments, trials(&course)).exit_code(),
        Err(finding) => {
            eprintln!("{finding}");
            ExitCode::from(2)
        }
    }
}

fn trials(course: &Course) -> Vec<Trial> {
    // On a learner's machine a changed starter is work in progress; in CI it is a mistake.
    let strict = std::env::var_os("CI").is_some();
    let front = trial("anatomy README.md", anatomy::check_front(course));
    let pages = course.pages();
    let pages = pages.iter().flat_map(|page| page_trials(course, page));
    let chapters = course.chapters.iter();
    let chapters = chapters.flat_map(|chapter| chapter_trials(course, chapter, strict));
    std::iter::once(front)
        .chain(pages)
        .chain(chapters)
        .collect()
}

fn page_trials(course: &Course, page: &course::readme::Readme) -> [Trial; 3] {
    let name = page.path.display();
    [
        trial(format!("blocks {name}"), page::check(page)),
        trial(format!("links {name}"), links::check(course, page)),
        trial(format!("sources {name}"), sources::check(course, page)),
    ]
}

fn chapter_trials(course: &Course, chapter: &Chapter, strict: bool) -> Vec<Trial> {
    let name = &chapter.name;
    let mut trials = vec![
        trial(format!("anatomy {name}"), anatomy::check(course, chapter)),
        trial(
            format!("published {name}"),
            published::check(course, chapter, strict),
        ),
    ];
    let exercises = chapter.exercises.iter();
    trials.extend(exercises.map(|exercise| region_trial(course, chapter, exercise, strict)));
    trials
}

fn region_trial(course: &Course, chapter: &Chapter, exercise: &Exercise, strict: bool) -> Trial {
    let changed = published::state(course, chapter, exercise) == State::Changed;
    let name = format!("regions {}", exercise.id());
    if changed && !strict {
        return trial(
            format!("{name} (left out: the starter was changed)"),
            Vec::new(),
        )
        .with_ignored_flag(true);
    }
    trial(name, regions::check(course, exercise))
}

/// Passes if there is no finding, and else prints them one per line.
fn trial(name: impl Into<String>, findings: Vec<Finding>) -> Trial {
    let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
    Trial::test(name, move || match lines.as_slice() {
        [] => Ok(()),
        lines => Err(Failed::from(lines.join("\n"))),
    })
}
