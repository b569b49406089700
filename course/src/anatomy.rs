//! The shape that all chapters share, and the front page that leads to them.

mod exercise;

use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::chapters::{Chapter, Course, Exercise, Minutes, chapter_number, names};
use crate::finding::{Finding, Report};
use crate::readme::exercise_number;
use crate::{files, links};

/// Every flaw in a chapter's README and in the files that belong to it.
pub fn check(course: &Course, chapter: &Chapter) -> Vec<Finding> {
    let readme = &chapter.readme;
    if readme.text.is_empty() {
        return vec![Finding::new(
            &readme.path,
            0,
            "is missing; a chapter is its README",
        )];
    }
    let mut report = Report::of(&readme.path);
    opening(&mut report, chapter);
    sections(&mut report, chapter);
    report.findings.sort();
    report.findings.extend(files::check(course, chapter));
    report.findings
}

/// Every flaw in the front page, and every folder that no chapter owns.
pub fn check_front(course: &Course) -> Vec<Finding> {
    let front = &course.front;
    let mut report = Report::of(&front.path);
    report.want(
        !front.text.is_empty(),
        0,
        "is missing; write the course's front page",
    );
    let targets = front
        .links
        .iter()
        .filter_map(|link| links::resolve(front, &link.target));
    let targets: Vec<PathBuf> = targets.collect();
    for chapter in &course.chapters {
        let linked = targets.contains(&chapter.dir) || targets.contains(&chapter.readme.path);
        let what = format!(
            "no link to {}; add one to the map of chapters",
            chapter.dir.display()
        );
        report.want(linked || front.text.is_empty(), 0, what);
    }
    report.findings.extend(strange_folders(course));
    report.findings
}

fn strange_folders(course: &Course) -> Vec<Finding> {
    let chapters = folders(course, "chapters")
        .into_iter()
        .filter_map(|(path, name)| {
            let what = "a chapter's folder is named NN-name, as in 02-first-proxy";
            chapter_number(&name)
                .is_none()
                .then(|| Finding::new(path, 0, what))
        });
    let solutions = folders(course, "solutions")
        .into_iter()
        .filter_map(|(path, name)| {
            let what = format!("belongs to no chapter; there is no chapters/{name}");
            let known = course.chapters.iter().any(|chapter| chapter.name == name);
            (!known).then(|| Finding::new(path, 0, what))
        });
    chapters.chain(solutions).collect()
}

/// The folders inside of a folder: paths and names.
fn folders(course: &Course, parent: &str) -> Vec<(PathBuf, String)> {
    names(&course.root, parent)
        .unwrap_or_default()
        .into_iter()
        .map(|name| (Path::new(parent).join(&name), name))
        .filter(|(path, _)| course.root.join(path).is_dir())
        .collect()
}

/// What a section must hold, given its lines.
type Rule = fn(&mut Report, &Chapter, Range<usize>);

/// The sections of a chapter, in order. Others may stand between them.
const SECTIONS: [(&str, Rule); 8] = [
    ("You will be able to", outcomes),
    ("The idea", idea),
    ("Predict, then run", predict),
    ("Tour of main.rs", tour),
    ("Exercises", exercises),
    ("Check yourself", questions),
    ("Instructor notes", notes),
    ("Further reading", reading),
];

fn sections(report: &mut Report, chapter: &Chapter) {
    let mut last = (0, "");
    for (title, rule) in SECTIONS {
        let Some(section) = chapter.readme.section(2, title) else {
            report.want(
                false,
                0,
                format!("there is no section `## {title}`; add it"),
            );
            continue;
        };
        let what = format!("`## {title}` stands before `## {}`; move it below", last.1);
        report.want(section.start > last.0, section.start, what);
        last = (section.start, title);
        rule(report, chapter, section);
    }
}

fn opening(report: &mut Report, chapter: &Chapter) {
    let readme = &chapter.readme;
    let number = format!("{:02} ", chapter.number);
    let title = readme.headings.first();
    let titled = title.is_some_and(|title| title.level == 1 && title.text.starts_with(&number));
    report.want(
        titled,
        1,
        format!("begin the page with its title: # {number}..."),
    );

    let second = readme.headings.iter().find(|heading| heading.level == 2);
    let end = second.map_or(readme.last_line(), |second| second.line);
    let stated = chapter.minutes.as_ref().map_or(0, |minutes| minutes.line);
    let mut text = readme.prose(2..end).filter(|(_, text)| !text.is_empty());
    let said = text.any(|(line, _)| line != stated);
    report.want(said, 1, "say under the title what the reader builds");

    match &chapter.minutes {
        Some(minutes) => sums(report, minutes, &chapter.exercises),
        None => report.want(
            false,
            1,
            "state the length under the title: 150 minutes: 40 to read and run, 110 of exercises (core 55)",
        ),
    }
}

fn sums(report: &mut Report, stated: &Minutes, exercises: &[Exercise]) {
    let all: u32 = exercises.iter().map(|exercise| exercise.minutes).sum();
    let core = exercises.iter().filter(|exercise| exercise.core);
    let core: u32 = core.map(|exercise| exercise.minutes).sum();
    let (reading, total) = (stated.reading, stated.reading + all);
    report.want(
        stated.exercises == all && stated.core == core && stated.total == total,
        stated.line,
        format!(
            "the exercises do not sum up to this; write: {total} minutes: {reading} to read and run, {all} of exercises (core {core})"
        ),
    );
}

fn outcomes(report: &mut Report, chapter: &Chapter, section: Range<usize>) {
    let count = chapter.readme.items_in(&section).count();
    report.want(
        (3..=5).contains(&count),
        section.start,
        format!("outcomes: {count}; list 3 to 5"),
    );
}

fn idea(report: &mut Report, chapter: &Chapter, section: Range<usize>) {
    let mut blocks = chapter.readme.blocks_in(&section);
    let drawn = blocks.any(|block| block.language() == "mermaid");
    report.want(
        drawn,
        section.start,
        "the idea has no diagram; add a ```mermaid block",
    );
}

fn predict(report: &mut Report, chapter: &Chapter, section: Range<usize>) {
    let asked = chapter.readme.paragraph(section.clone(), "**Predict.**");
    let what = "nothing to predict; begin a paragraph with **Predict.**";
    report.want(asked.is_some(), section.start, what);
    let mut blocks = chapter.readme.blocks_in(&section);
    let run = blocks.any(|block| block.language() == "console");
    report.want(run, section.start, "nothing to run; add a ```console block");
}

fn tour(report: &mut Report, chapter: &Chapter, section: Range<usize>) {
    let mut blocks = chapter.readme.blocks_in(&section);
    let shown = blocks.any(|block| block.language() == "rust" && block.source().is_some());
    let what = "the tour shows no code; add a ```rust block under <!-- from src/main.rs -->";
    report.want(shown, section.start, what);
}

fn exercises(report: &mut Report, chapter: &Chapter, section: Range<usize>) {
    let core = chapter
        .exercises
        .iter()
        .filter(|exercise| exercise.core)
        .count();
    let what = format!("core exercises: {core}; mark 2 to 4 as core");
    report.want((2..=4).contains(&core), section.start, what);
    let headings = chapter.readme.headings.iter();
    for heading in headings.filter(|heading| heading.level == 3) {
        let numbered = exercise_number(&heading.text).is_some();
        report.want(
            section.contains(&heading.line) == numbered,
            heading.line,
            format!(
                "a heading `### {}.1 Title` is an exercise and stands in `## Exercises`; there is no other ### there",
                chapter.number
            ),
        );
    }
    for (number, exercise) in (1..).zip(&chapter.exercises) {
        exercise::check(report, chapter, exercise, number);
    }
}

fn questions(report: &mut Report, chapter: &Chapter, section: Range<usize>) {
    let questions: Vec<usize> = chapter
        .readme
        .items_in(&section)
        .map(|item| item.line)
        .collect();
    let answers: Vec<usize> = chapter
        .readme
        .details_in(&section)
        .map(|answer| answer.line)
        .collect();
    let count = questions.len();
    report.want(
        count >= 3,
        section.start,
        format!("questions: {count}; list at least 3"),
    );
    let next = questions.iter().skip(1).chain([&section.end]);
    for (&question, &next) in questions.iter().zip(next) {
        // One answer may serve all questions, below the last.
        let end = if answers.len() == 1 {
            section.end
        } else {
            next
        };
        let answered = answers
            .iter()
            .any(|answer| (question..end).contains(answer));
        report.want(
            answered,
            question,
            "no folded answer follows this question; add one in <details>",
        );
    }
}

fn notes(report: &mut Report, chapter: &Chapter, section: Range<usize>) {
    let folded = chapter.readme.details_in(&section);
    let folded: String = folded.map(|details| details.text.as_str()).collect();
    let what = "the notes are not folded; put them in <details>";
    report.want(!folded.is_empty(), section.start, what);
    for word in ["**Ask:**", "**Demo:**", "**Pitfall:**", " minutes"] {
        let what = format!("the folded notes have no `{}`; add it", word.trim());
        report.want(
            folded.is_empty() || folded.contains(word),
            section.start,
            what,
        );
    }
}

fn reading(report: &mut Report, chapter: &Chapter, section: Range<usize>) {
    let own = [
        "https://github.com/cloudflare/pingora",
        "https://docs.rs/pingora",
    ];
    let links = chapter.readme.links.iter();
    let mut links = links.filter(|link| section.contains(&link.line));
    report.want(
        links.any(|link| own.iter().any(|own| link.target.starts_with(own))),
        section.start,
        "no link to Pingora's own documentation; add one to github.com/cloudflare/pingora or docs.rs/pingora",
    );
}
