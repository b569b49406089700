//! What a chapter's checks say about one program.

use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::cargo::isolate;
use crate::chapters::Exercise;
use crate::process::{Process, Seen, patience};

/// One test of a check file and how it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// With its modules: `ex1_forward::given::keeps_the_query`.
    pub name: String,
    pub result: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    Ignored,
    /// What the test printed, the panic's message included.
    Failed(String),
}

impl Test {
    /// The behaviour that it is named after: `keeps the query`.
    pub fn behaviour(&self) -> String {
        let (_, last) = self.name.rsplit_once("::").unwrap_or(("", &self.name));
        last.replace('_', " ")
    }

    /// Where it stands in the text of its check file.
    pub fn place(&self, text: &str) -> Option<usize> {
        let (_, last) = self.name.rsplit_once("::").unwrap_or(("", &self.name));
        text.find(&format!("fn {last}("))
    }

    /// Whether it holds for the untouched starter too.
    pub fn is_given(&self) -> bool {
        self.name.split("::").any(|module| module == "given")
    }

    /// Whether it has passed.
    pub fn passed(&self) -> bool {
        self.result == Outcome::Passed
    }

    /// What a failed test tells its reader; the raw output where the test failed in a way that `lab` does not know.
    pub fn explanation(&self) -> Option<String> {
        let Outcome::Failed(printed) = &self.result else {
            return None;
        };
        let text = lab::failure::find(printed).map(|failure| failure.text);
        Some(text.unwrap_or_else(|| printed.trim().to_owned()))
    }
}

/// Runs the tests of one exercise against `program`; `wrong` names the answer in a binary that holds several.
///
/// # Errors
/// What happened instead of a result.
pub fn judge(
    checks: &Path,
    exercise: &Exercise,
    program: &Path,
    wrong: Option<&str>,
) -> Result<Vec<Test>, String> {
    let mut command = Command::new(checks);
    isolate(&mut command);
    command
        .arg(format!("ex{}::", exercise.slug))
        .args(["--color", "never"])
        .env("CHECK_BINARY", program)
        .envs(wrong.map(|name| ("WRONG", name)));
    let printed = run(command).map_err(|error| format!("{}: {error}", checks.display()))?;
    let tests = parse(&printed);
    if tests.is_empty() || !printed.contains("\ntest result: ") {
        let check = exercise.check.display();
        return Err(format!(
            "{check}: the checks ended without a result:\n{}",
            printed.trim()
        ));
    }
    Ok(tests)
}

/// Reads what libtest prints: a line for each test, then what the failed ones printed. In the order of the names.
pub fn parse(printed: &str) -> Vec<Test> {
    let lines = printed.lines().filter_map(|line| {
        let (name, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
        let result = match result {
            "ok" => Outcome::Passed,
            "FAILED" => Outcome::Failed(section(printed, name)),
            ignored if ignored.starts_with("ignored") => Outcome::Ignored,
            _ => return None,
        };
        Some(Test {
            name: name.to_owned(),
            result,
        })
    });
    let mut tests: Vec<Test> = lines.collect();
    tests.sort_by(|a, b| a.name.cmp(&b.name));
    tests
}

/// What stands under `---- name stdout ----`.
fn section(printed: &str, name: &str) -> String {
    let title = format!("---- {name} stdout ----");
    let lines = printed.lines().skip_while(|line| *line != title).skip(1);
    let lines = lines.take_while(|line| !is_section_end(line));
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

fn is_section_end(line: &str) -> bool {
    line == "failures:" || (line.starts_with("---- ") && line.ends_with(" stdout ----"))
}

fn run(command: Command) -> io::Result<String> {
    let mut process = Process::start_stdout(command)?;
    let limit = Duration::from_secs(300).max(patience().saturating_mul(30));
    process.wait_until(limit, Seen::is_over);
    let seen = process.seen();
    match seen.status {
        Some(_) => Ok(seen.text),
        None => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!(
                "no end within {} s, after printing:\n{}",
                limit.as_secs(),
                seen.text.trim()
            ),
        )),
    }
}
