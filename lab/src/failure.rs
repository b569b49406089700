//! How a check fails: of which kind, and how the text is found again in a test's output.

use crate::report::{MORE, Report};

/// Why a check failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The program under test does not do what the exercise asks for.
    Expectation,
    /// A wait ran out that no expectation named.
    TimeOut,
    /// The program under test did not start, or it died.
    Crash,
}

/// A failed check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Why it failed.
    pub kind: Kind,
    /// What the reader gets to see, without the lines that the test harness adds.
    pub text: String,
}

impl Kind {
    /// What the summary of such a failure begins with.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Expectation => "",
            Self::TimeOut => "time-out: ",
            Self::Crash => "crash: ",
        }
    }

    /// The first line is `subject: summary`, and no subject contains a colon.
    fn of(header: &str) -> Self {
        let summary = header
            .split_once(": ")
            .map_or(header, |(_, summary)| summary);
        [Self::TimeOut, Self::Crash]
            .into_iter()
            .find(|kind| summary.starts_with(kind.prefix()))
            .unwrap_or(Self::Expectation)
    }
}

/// The first failure of this crate in the captured output of a test; `None` if the test failed in another way.
pub fn find(output: &str) -> Option<Failure> {
    let mut text: Option<Vec<&str>> = None;
    for line in output.lines() {
        if line.starts_with("thread '") && line.contains(" panicked at ") {
            text = Some(Vec::new());
        } else if let Some(lines) = &mut text {
            lines.push(line);
            if line.starts_with(MORE) {
                let kind = Kind::of(lines.first().unwrap_or(&line));
                let text = lines.join("\n");
                return Some(Failure { kind, text });
            }
        }
    }
    None
}

/// Ends the test.
#[allow(clippy::panic, reason = "libtest knows no other way to fail a test")]
pub(crate) fn raise(report: &Report) -> ! {
    panic!("{}", report.text())
}
