//! A program that has ended.

use crate::expectation::Expected;
use crate::message::bounded;
use crate::process::Process;
use crate::report::Report;
use crate::scene::Scene;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;

/// How a program ended and what it wrote.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// The number of the signal that ended it.
    pub signal: Option<i32>,
    /// Without colours.
    pub stdout: String,
    /// Without colours.
    pub stderr: String,
    how: String,
    scene: Arc<Scene>,
}

impl Ended {
    pub(crate) fn new(exit: ExitStatus, process: &Process, scene: Arc<Scene>) -> Self {
        Self {
            code: exit.code(),
            signal: exit.signal(),
            stdout: process.stdout.text(),
            stderr: process.stderr.text(),
            how: crate::process::describe(exit),
            scene,
        }
    }

    /// Expects this exit code.
    #[track_caller]
    pub fn expect_code(&self, code: i32) -> Expected<'_, Self> {
        let report = self.report(format!("the program ended with {}", self.how));
        let report = report.expected(format!("exit code {code}"));
        Expected::new(self, (self.code != Some(code)).then_some(report))
    }

    /// Expects that stderr contains this.
    #[track_caller]
    pub fn expect_stderr_contains(&self, text: &str) -> Expected<'_, Self> {
        self.judge(self.stderr.contains(text), "stderr", text)
    }

    /// Expects that stdout contains this.
    #[track_caller]
    pub fn expect_stdout_contains(&self, text: &str) -> Expected<'_, Self> {
        self.judge(self.stdout.contains(text), "stdout", text)
    }

    #[track_caller]
    fn judge(&self, holds: bool, output: &str, text: &str) -> Expected<'_, Self> {
        let text = bounded(text.as_bytes());
        let report = self.report(format!("the program wrote something else to {output}"));
        let report = report.expected(format!("{output} that contains: {text}"));
        Expected::new(self, (!holds).then_some(report))
    }

    #[track_caller]
    fn report(&self, summary: String) -> Report {
        Report::expectation(summary)
            .in_scene(Some(Arc::clone(&self.scene)))
            .about_program()
    }
}
