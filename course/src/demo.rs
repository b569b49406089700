//! `cargo course demo`: plays a page's console blocks in front of a class, with real ports and real output.

use std::io::{self, Write};

use crate::chapters::{Chapter, Course};
use crate::console::{Action, Step};
use crate::ports::Ports;
use crate::process::Echo;
use crate::readme::Readme;
use crate::say::{complain, say};
use crate::session::{Limits, Script, Session, scripts};

/// Which of a page's blocks are played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All but those of the exercises.
    Chapter,
    /// Those of one exercise.
    Exercise(u8, u8),
}

/// Who says when the next command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// The instructor, with Enter.
    Enter,
    Auto,
}

/// Plays a part of a chapter's page and says whether everything went as the page shows.
pub fn play(course: &Course, chapter: &Chapter, part: Part, pace: Pace) -> bool {
    let page = &chapter.readme;
    let scripts = match scripts(page) {
        Ok(scripts) => scripts,
        Err(findings) => {
            findings
                .iter()
                .for_each(|finding| complain(finding.to_string()));
            return false;
        }
    };
    let scripts: Vec<Script> = scripts
        .into_iter()
        .filter(|script| part.has(script))
        .collect();
    if scripts.is_empty() {
        complain(format!(
            "{} has no commands to play here",
            page.path.display()
        ));
        return false;
    }
    let mut session = Session::new(
        &course.root,
        page,
        Ports::fixed(),
        Limits::default(),
        Echo::Stdout,
    );
    let mut heading = "";
    let mut as_shown = true;
    for script in &scripts {
        let here = heading_of(page, script.block.line);
        if here != heading {
            say(format!("\n== {here}"));
            heading = here;
        }
        let played = script
            .steps
            .iter()
            .filter(|step| step.action != Action::Leave);
        for step in played {
            if step.action != Action::Watch {
                announce(step, pace);
            }
            let Err(failure) = session.run(step, script.block.terminal()) else {
                continue;
            };
            as_shown = false;
            complain(format!(
                "-- differs from {}",
                first_line(&failure.finding.to_string())
            ));
            if failure.fatal {
                complain(
                    "-- the demonstration ends here: what comes next needs what did not start",
                );
                return false;
            }
        }
    }
    as_shown
}

impl Part {
    fn has(self, script: &Script) -> bool {
        match self {
            Self::Chapter => script.block.section.is_none(),
            Self::Exercise(chapter, number) => script.block.section == Some((chapter, number)),
        }
    }
}

fn announce(step: &Step, pace: Pace) {
    let mut out = io::stdout();
    let _closed = write!(out, "\n$ {} ", step.command).and_then(|()| out.flush());
    match pace {
        // At the end of the input the rest plays by itself.
        Pace::Enter => drop(io::stdin().read_line(&mut String::new())),
        Pace::Auto => say(""),
    }
}

/// The heading above a line.
fn heading_of(page: &Readme, line: usize) -> &str {
    let above = page
        .headings
        .iter()
        .take_while(|heading| heading.line < line);
    above.last().map_or("", |heading| &heading.text)
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
