//! `cargo course check`: builds one program, lets the chapter's checks judge it, and says what to do next.

use std::path::PathBuf;

use crate::cargo::{self, BuildError, Diagnostics, Target};
use crate::chapters::{Chapter, Course, Exercise};
use crate::list;
use crate::progress::{self, Progress};
use crate::say::{complain, say};
use crate::verdict::{Outcome, Test, judge};

/// Whose program is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    Learner,
    Solution,
}

/// An exercise with its chapter.
pub type Item<'a> = (&'a Chapter, &'a Exercise);

/// How one exercise went, for the summary.
struct Verdict {
    passed: bool,
    summary: String,
}

/// How many of an exercise's failures are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    First,
    Full,
}

/// Checks `items` in order and says whether all passed.
pub fn check(course: &Course, items: &[Item], whose: Whose, detail: Detail) -> bool {
    let mut verdicts = Vec::new();
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            say("");
        }
        say(format!("{}\n", item.1.heading()));
        verdicts.push(check_one(course, *item, whose, detail));
    }
    if items.len() > 1 {
        say("\nSummary\n");
        for ((_, exercise), verdict) in items.iter().zip(&verdicts) {
            say(format!("  {:40}  {}", exercise.heading(), verdict.summary));
        }
        let passed = verdicts.iter().filter(|verdict| verdict.passed).count();
        say(format!("\n{passed} of {} exercises passed.", items.len()));
    }
    verdicts.iter().all(|verdict| verdict.passed)
}

fn check_one(course: &Course, item: Item, whose: Whose, detail: Detail) -> Verdict {
    // Taken before the build: what the learner types meanwhile is not what is judged.
    let sum = progress::sum(course, item.1);
    let result = run(course, item, whose);
    let passed = matches!(&result, Ok(tests) if tests.iter().all(Test::passed));
    let is_verdict = result.as_ref().err().is_none_or(|trouble| trouble.answers);
    let mut progress = Progress::load(&course.root);
    if let (Whose::Learner, true, Some(sum)) = (whose, is_verdict, sum) {
        progress.record(item.1, sum, passed);
        if let Err(error) = progress.save(&course.root) {
            complain(format!("the verdict could not be kept in .course: {error}"));
        }
    }
    match result {
        Ok(tests) => Verdict {
            passed,
            summary: report(course, item, whose, &tests, detail, &progress),
        },
        Err(trouble) => {
            complain(&trouble.text);
            Verdict {
                passed,
                summary: trouble.summary.to_owned(),
            }
        }
    }
}

/// Why there is no verdict.
struct Trouble {
    /// Whether the answer is to blame, and not what judges it.
    answers: bool,
    summary: &'static str,
    text: String,
}

fn run(course: &Course, item: Item, whose: Whose) -> Result<Vec<Test>, Trouble> {
    let program = build_program(course, item, whose)?;
    let (chapter, exercise) = item;
    let build = cargo::build(
        &course.root,
        &chapter.solutions_package,
        Target::Checks,
        Diagnostics::Shown,
    );
    let checks = build.map_err(|error| Trouble {
        answers: false,
        summary: "no verdict: the checks do not build",
        text: format!(
            "{}the checks of chapter {} do not build; undo changes under {} and {}",
            cargos(&error),
            chapter.name,
            chapter.dir.join("checks").display(),
            chapter.solutions_dir.display()
        ),
    })?;
    let judged = judge(&checks.executable, exercise, &program, None);
    let mut tests = judged.map_err(|text| Trouble {
        answers: false,
        summary: "no verdict: the checks broke off",
        text,
    })?;
    // The check file is the specification: its order is the order to read in.
    let text = course.read(&exercise.check).unwrap_or_default();
    tests.sort_by_key(|test| test.place(&text));
    Ok(tests)
}

fn build_program(course: &Course, item: Item, whose: Whose) -> Result<PathBuf, Trouble> {
    let (chapter, exercise) = item;
    let (package, binary, file) = match whose {
        Whose::Learner => (&chapter.package, &exercise.starter_binary, &exercise.file),
        Whose::Solution => (
            &chapter.solutions_package,
            &exercise.solution_binary,
            &exercise.solution,
        ),
    };
    let built = cargo::build(
        &course.root,
        package,
        Target::Binary(binary),
        Diagnostics::Shown,
    );
    built
        .map(|built| built.executable)
        .map_err(|error| Trouble {
            answers: true,
            summary: "does not build",
            text: format!(
                "{}{} does not build: mend {} where cargo points above, then run again: {}",
                cargos(&error),
                exercise.id(),
                file.display(),
                again(exercise, whose)
            ),
        })
}

/// What cargo itself could not say.
fn cargos(error: &BuildError) -> String {
    let text = error.text();
    if text.is_empty() { text } else { text + "\n" }
}

/// Says how each test went and what is next; returns the summary.
fn report(
    course: &Course,
    item: Item,
    whose: Whose,
    tests: &[Test],
    detail: Detail,
    progress: &Progress,
) -> String {
    let (chapter, exercise) = item;
    for test in tests {
        let word = match test.result {
            Outcome::Passed => "ok    ",
            Outcome::Ignored => "left out",
            Outcome::Failed(_) => "failed",
        };
        say(format!("  {word}  {}", test.behaviour()));
    }
    let explanations: Vec<String> = tests.iter().filter_map(Test::explanation).collect();
    let shown = match detail {
        Detail::Full => explanations.len(),
        Detail::First => 1,
    };
    for explanation in explanations.iter().take(shown) {
        say(format!("\n{explanation}"));
    }
    if shown < explanations.len() {
        let all = explanations.len();
        say(format!(
            "\nOnly the first of {all} failures is shown; add --full to see all."
        ));
    }
    let count = tests.iter().filter(|test| test.passed()).count();
    let summary = format!("{count} of {} passed", tests.len());
    say(format!("\n{summary}."));
    if count < tests.len() {
        let file = if whose == Whose::Learner {
            &exercise.file
        } else {
            &exercise.solution
        };
        say(format!("Edit   {}", file.display()));
        say(format!("Again  {}", again(exercise, whose)));
        say(format!("Hints  {}", list::anchor(chapter, exercise)));
    } else if whose == Whose::Learner {
        if !exercise.not_proved.is_empty() {
            say(format!(
                "What passing does not prove: {}",
                exercise.not_proved
            ));
        }
        say(list::next(course, progress));
    }
    summary
}

fn again(exercise: &Exercise, whose: Whose) -> String {
    let solutions = if whose == Whose::Solution {
        " --solutions"
    } else {
        ""
    };
    format!("cargo course check {}{solutions}", exercise.id())
}
