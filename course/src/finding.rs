//! What is wrong with the course's own text or files, and what to do about it.

use std::fmt;
use std::path::PathBuf;

/// One flaw, shown as `file:line: what`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Relative to the course's root.
    pub file: PathBuf,
    /// Counted from 1; 0 means the file as a whole.
    pub line: usize,
    /// What is wrong and what to do, in one line.
    pub what: String,
}

impl Finding {
    /// A flaw at `line` of `file`; 0 means the file as a whole.
    pub fn new(file: impl Into<PathBuf>, line: usize, what: impl Into<String>) -> Finding {
        Finding {
            file: file.into(),
            line,
            what: what.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file.display(), self.what),
            line => write!(f, "{}:{line}: {}", self.file.display(), self.what),
        }
    }
}

impl std::error::Error for Finding {}

/// Gathers the flaws of one file.
pub(crate) struct Report {
    file: PathBuf,
    pub(crate) findings: Vec<Finding>,
}

impl Report {
    pub(crate) fn of(file: impl Into<PathBuf>) -> Report {
        Report {
            file: file.into(),
            findings: Vec::new(),
        }
    }

    /// Notes `what` at `line` unless it `holds`; line 0 means the file as a whole.
    pub(crate) fn want(&mut self, holds: bool, line: usize, what: impl Into<String>) {
        if !holds {
            self.findings.push(Finding::new(&self.file, line, what));
        }
    }
}
