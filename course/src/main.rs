//! `cargo course`: check exercises, see where you are, play a chapter's commands.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use course::chapters::Course;
use course::check::{Detail, Item, Whose, check};
use course::demo::{self, Pace, Part};
use course::list;
use course::process::stop_all_on_signals;
use course::progress::Progress;
use course::published;
use course::say::{complain, say};

/// Without a command: where you are and what to do next.
#[derive(Parser)]
#[command(
    name = "cargo course",
    bin_name = "cargo course",
    about = "The Pingora Mastery Course"
)]
struct Arguments {
    #[command(subcommand)]
    task: Option<Task>,
}

#[derive(Subcommand)]
enum Task {
    /// Let the checks judge your answer: an exercise (2.1), a chapter (2), or everything (--all)
    Check {
        #[arg(required_unless_present_any = ["all", "solutions"], conflicts_with = "all")]
        number: Option<String>,
        /// Every exercise of the course
        #[arg(long)]
        all: bool,
        /// Judge the reference answers instead of yours
        #[arg(long)]
        solutions: bool,
        /// Show every failure, not only the first of each exercise
        #[arg(long)]
        full: bool,
    },
    /// Show every exercise with its minutes and how it stands
    List,
    /// Run a chapter's commands one by one (2), or those of an exercise (2.1)
    Demo {
        number: String,
        /// Do not wait for Enter before each command
        #[arg(long)]
        auto: bool,
    },
    /// For maintainers: record the starters of a chapter (2), or of all, as published
    Sums { number: Option<String> },
}

/// Bad usage, or a course that cannot be read.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    run(arguments.task).unwrap_or_else(|message| {
        complain(message);
        ExitCode::from(USAGE)
    })
}

fn run(task: Option<Task>) -> Result<ExitCode, String> {
    let course = Course::find().map_err(|finding| finding.to_string())?;
    stop_all_on_signals().map_err(|error| format!("signals cannot be listened to: {error}"))?;
    let passed = match task {
        None => {
            say(list::overview(&course, &Progress::load(&course.root)));
            true
        }
        Some(Task::List) => {
            say(list::list(&course, &Progress::load(&course.root)).trim_end());
            true
        }
        Some(Task::Check {
            number,
            solutions,
            full,
            ..
        }) => {
            let whose = if solutions {
                Whose::Solution
            } else {
                Whose::Learner
            };
            let detail = if full { Detail::Full } else { Detail::First };
            check(&course, &items(&course, number.as_deref())?, whose, detail)
        }
        Some(Task::Demo { number, auto }) => play(&course, &number, auto)?,
        Some(Task::Sums { number }) => {
            sums(&course, number.as_deref())?;
            true
        }
    };
    Ok(if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The exercise or the chapter's exercises with this number; all without one.
fn items<'a>(course: &'a Course, number: Option<&str>) -> Result<Vec<Item<'a>>, String> {
    let chapters = match number {
        Some(number) if number.contains('.') => return Ok(vec![course.exercise(number)?]),
        Some(number) => vec![course.chapter(number)?],
        None => course.chapters.iter().collect(),
    };
    let items: Vec<Item> = chapters
        .into_iter()
        .flat_map(|chapter| {
            chapter
                .exercises
                .iter()
                .map(move |exercise| (chapter, exercise))
        })
        .collect();
    if items.is_empty() {
        return Err(
            "there are no exercises here yet; `cargo course list` shows those there are".to_owned(),
        );
    }
    Ok(items)
}

fn play(course: &Course, number: &str, auto: bool) -> Result<bool, String> {
    let (chapter, part) = if number.contains('.') {
        let (chapter, exercise) = course.exercise(number)?;
        (chapter, Part::Exercise(exercise.chapter, exercise.number))
    } else {
        (course.chapter(number)?, Part::Chapter)
    };
    if !auto && !io::stdin().is_terminal() {
        return Err(
            "nobody can press Enter here: the input is not a terminal; add --auto".to_owned(),
        );
    }
    let pace = if auto { Pace::Auto } else { Pace::Enter };
    Ok(demo::play(course, chapter, part, pace))
}

fn sums(course: &Course, number: Option<&str>) -> Result<(), String> {
    let chapters = match number {
        Some(number) => vec![course.chapter(number)?],
        None => course.chapters.iter().collect(),
    };
    for chapter in chapters {
        published::write_sums(course, chapter).map_err(|finding| finding.to_string())?;
    }
    Ok(())
}
