//! What a learner has solved so far, kept in `.course/verdicts.json`.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::{fmt, fs};

use serde::{Deserialize, Serialize};

use crate::chapters::{Chapter, Course, Exercise};
use crate::published;
use crate::say::complain;

const FOLDER: &str = ".course";
const FILE: &str = "verdicts.json";

/// The last verdict on each exercise, by its id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Progress {
    verdicts: BTreeMap<String, Verdict>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Verdict {
    /// Of the file that was judged: a verdict says nothing about a later version.
    sha256: String,
    passed: bool,
}

/// How an exercise stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// As it was published.
    Untouched,
    /// Edited, and not checked since.
    Changed,
    Failed,
    Passed,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Untouched => "untouched",
            Self::Changed => "changed",
            Self::Failed => "failed",
            Self::Passed => "passed",
        })
    }
}

impl Progress {
    /// What was recorded; nothing, and a line on stderr, if the file cannot be read.
    pub fn load(root: &Path) -> Self {
        let file = root.join(FOLDER).join(FILE);
        let read = fs::read(&file).and_then(|text| Ok(serde_json::from_slice(&text)?));
        read.unwrap_or_else(|error: io::Error| {
            if error.kind() != io::ErrorKind::NotFound {
                complain(format!("{} is ignored: {error}", file.display()));
            }
            Self::default()
        })
    }

    /// Records the verdict on the file that was judged.
    pub fn record(&mut self, exercise: &Exercise, sha256: String, passed: bool) {
        self.verdicts
            .insert(exercise.id(), Verdict { sha256, passed });
    }

    /// Replaces the file as a whole, so that an interrupted write leaves the old one.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(&self, root: &Path) -> io::Result<()> {
        let folder = root.join(FOLDER);
        fs::create_dir_all(&folder)?;
        let mut file = tempfile::NamedTempFile::new_in(&folder)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.persist(folder.join(FILE))?;
        Ok(())
    }

    /// How an exercise stands.
    pub fn state(&self, course: &Course, chapter: &Chapter, exercise: &Exercise) -> State {
        let sum = published::sum_of(course, exercise).ok();
        let verdict = self.verdicts.get(&exercise.id());
        let published = published::state(course, chapter, exercise);
        let verdict = verdict.filter(|verdict| Some(&verdict.sha256) == sum.as_ref());
        match (published, verdict) {
            (published::State::Published, _) | (published::State::Unlisted, None) => {
                State::Untouched
            }
            (_, Some(verdict)) if verdict.passed => State::Passed,
            (_, Some(_)) => State::Failed,
            (_, None) => State::Changed,
        }
    }
}

/// The sum by which a verdict knows its file again; none if the file cannot be read.
pub fn sum(course: &Course, exercise: &Exercise) -> Option<String> {
    published::sum_of(course, exercise).ok()
}
