//! What the checks are worth: a published starter builds without a warning and fails every test that is not given, by
//! a failed expectation; a known wrong answer fails the tests that it names.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use course::cargo::{self, Built, Diagnostics, Target};
use course::chapters::{Chapter, Course, Exercise};
use course::process::stop_all_on_signals;
use course::published::{self, State};
use course::regions;
use course::verdict::{Outcome, Test, judge};
use lab::failure::Kind;
use libtest_mimic::{Arguments, Completion, Failed, Trial};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments = Arguments::from_args();
    let course = Course::find()?;
    stop_all_on_signals()?;
    let chapters: Vec<Arc<Subject>> = course
        .chapters
        .iter()
        .map(|chapter| Subject::of(&course, chapter))
        .collect();
    let trials = chapters.iter().flat_map(trials).collect();
    Ok(libtest_mimic::run(&arguments, trials).exit_code())
}

/// A chapter and what all its trials share.
struct Subject {
    course: Course,
    chapter: Chapter,
    checks: OnceLock<Result<PathBuf, String>>,
    wrong: OnceLock<Result<PathBuf, String>>,
}

fn trials(subject: &Arc<Subject>) -> Vec<Trial> {
    subject
        .chapter
        .exercises
        .iter()
        .flat_map(|exercise| exercise_trials(subject, exercise))
        .collect()
}

fn exercise_trials(subject: &Arc<Subject>, exercise: &Exercise) -> Vec<Trial> {
    let (shared, own) = (Arc::clone(subject), exercise.clone());
    let starter = Trial::ignorable_test(format!("starter {}", exercise.id()), move || {
        shared.starter(&own)
    });
    let wrong = exercise.wrong.iter().map(|file| {
        let (shared, own, file) = (Arc::clone(subject), exercise.clone(), file.clone());
        let (_, what) = stem(&file).split_once('_').unwrap_or_default();
        Trial::test(format!("wrong {} {what}", exercise.id()), move || {
            shared.wrong(&own, &file)
        })
    });
    std::iter::once(starter).chain(wrong).collect()
}

impl Subject {
    fn of(course: &Course, chapter: &Chapter) -> Arc<Self> {
        Arc::new(Self {
            course: course.clone(),
            chapter: chapter.clone(),
            checks: OnceLock::new(),
            wrong: OnceLock::new(),
        })
    }

    fn starter(&self, exercise: &Exercise) -> Result<Completion, Failed> {
        let ci = std::env::var_os("CI").is_some();
        let file = exercise.file.display();
        if !ci && published::state(&self.course, &self.chapter, exercise) == State::Changed {
            return Ok(Completion::ignored_with(format!(
                "{file} is not as it was published"
            )));
        }
        let built = self.build(
            &self.chapter.package,
            Target::Binary(&exercise.starter_binary),
        )?;
        if !built.warnings.is_empty() {
            return Err(format!(
                "{file} builds with warnings:\n{}",
                built.warnings.join("\n")
            )
            .into());
        }
        let tests = judge(&self.checks()?, exercise, &built.executable, None)?;
        if ci {
            remove(&built.executable)?;
        }
        let mut flaws: Vec<String> = tests.iter().filter_map(starter_flaw).collect();
        if tests.iter().all(Test::is_given) {
            flaws.push(format!(
                "{} has no test outside `mod given`",
                exercise.check.display()
            ));
        }
        all_well(&flaws)?;
        Ok(Completion::Completed)
    }

    fn wrong(&self, exercise: &Exercise, file: &Path) -> Result<(), Failed> {
        let program = self.wrong_answers()?;
        let tests = judge(&self.checks()?, exercise, &program, Some(stem(file)))?;
        let by_name: BTreeMap<&str, &Test> = tests
            .iter()
            .filter_map(|test| Some((test.name.rsplit("::").next()?, test)))
            .collect();
        let text = self.course.read(file)?;
        let named = regions::fails(&text);
        let mut flaws: Vec<String> = named
            .iter()
            .filter_map(|name| match by_name.get(name) {
                Some(test) => unexpected(test),
                None => Some(format!("{} has no test {name}", exercise.check.display())),
            })
            .collect();
        if named.is_empty() {
            flaws.push(format!("{} names no test that it fails", file.display()));
        }
        all_well(&flaws)
    }

    fn checks(&self) -> Result<PathBuf, Failed> {
        let build = || {
            Ok(self
                .build(&self.chapter.solutions_package, Target::Checks)?
                .executable)
        };
        Ok(self.checks.get_or_init(build).clone()?)
    }

    fn wrong_answers(&self) -> Result<PathBuf, Failed> {
        let name = format!("wrong{}", self.chapter.number);
        let build = || {
            Ok(self
                .build(&self.chapter.solutions_package, Target::Binary(&name))?
                .executable)
        };
        Ok(self.wrong.get_or_init(build).clone()?)
    }

    fn build(&self, package: &str, target: Target) -> Result<Built, String> {
        cargo::build(&self.course.root, package, target, Diagnostics::Returned)
            .map_err(|error| error.text())
    }
}

/// Removes an executable under both its names: each is tens of megabytes, and nothing needs it any more.
fn remove(executable: &Path) -> io::Result<()> {
    fs::remove_file(executable)?;
    let dependencies = executable.with_file_name("deps");
    let prefix = stem(executable).replace('-', "_") + "-";
    for entry in fs::read_dir(dependencies)? {
        let path = entry?.path();
        if path.extension().is_none() && stem(&path).starts_with(&prefix) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// A starter passes what is given, and fails everything else in the way that teaches.
fn starter_flaw(test: &Test) -> Option<String> {
    match &test.result {
        Outcome::Passed if test.is_given() => None,
        Outcome::Failed(printed) if test.is_given() => Some(format!(
            "{} is given, but the starter fails it:\n{printed}",
            test.name
        )),
        Outcome::Passed | Outcome::Ignored | Outcome::Failed(_) => unexpected(test),
    }
}

/// What is wrong with a test that must fail by a failed expectation.
fn unexpected(test: &Test) -> Option<String> {
    let Outcome::Failed(printed) = &test.result else {
        return Some(format!("{} does not fail", test.name));
    };
    match lab::failure::find(printed).map(|failure| failure.kind) {
        Some(Kind::Expectation) => None,
        Some(kind) => Some(format!(
            "{} fails by a {kind:?}, not by an expectation:\n{printed}",
            test.name
        )),
        None => Some(format!(
            "{} fails, but not by an expectation:\n{printed}",
            test.name
        )),
    }
}

fn all_well(flaws: &[String]) -> Result<(), Failed> {
    if flaws.is_empty() {
        Ok(())
    } else {
        Err(flaws.join("\n\n").into())
    }
}

/// `1_close_delimited` of `checks/wrong/1_close_delimited.rs`
fn stem(file: &Path) -> &str {
    file.file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default()
}
