//! The course as its folders and READMEs describe it: chapters, exercises, hints, minutes.
//!
//! Reading is lenient, so that every command works on a README with a flaw; `anatomy` reports the flaws.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::finding::Finding;
use crate::readme::{Heading, Readme, exercise_number};

/// The whole course. Every path in it is relative to `root`.
#[derive(Debug, Clone)]
pub struct Course {
    /// The repository's folder, absolute where the course was found by [`Course::find`].
    pub root: PathBuf,
    /// `README.md` of the root; empty if there is none.
    pub front: Readme,
    /// In order of their numbers.
    pub chapters: Vec<Chapter>,
}

/// A folder `chapters/NN-name`.
#[derive(Debug, Clone)]
pub struct Chapter {
    pub number: u8,
    /// The folder's name: `02-first-proxy`.
    pub name: String,
    /// The title without its number: `First proxy`.
    pub title: String,
    pub dir: PathBuf,
    pub solutions_dir: PathBuf,
    /// `ch02-first-proxy`; its default binary has the same name.
    pub package: String,
    /// `solutions02-first-proxy`
    pub solutions_package: String,
    /// Empty if there is none.
    pub readme: Readme,
    /// None if the README does not state them.
    pub minutes: Option<Minutes>,
    /// In the order of the README.
    pub exercises: Vec<Exercise>,
}

/// What a chapter's README says about its length, in minutes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Minutes {
    pub line: usize,
    pub total: u32,
    /// To read the chapter and to run its commands.
    pub reading: u32,
    /// Of all exercises.
    pub exercises: u32,
    /// Of the core exercises alone.
    pub core: u32,
}

/// A heading `### C.K Title` and what belongs to it.
#[derive(Debug, Clone)]
pub struct Exercise {
    pub chapter: u8,
    pub number: u8,
    pub title: String,
    /// 0 if the README does not state them.
    pub minutes: u32,
    pub core: bool,
    /// The line of the heading.
    pub line: usize,
    /// What must be true, point by point, in Markdown.
    pub behaviour: Vec<String>,
    pub hints: Vec<Hint>,
    /// What passing does not prove, in Markdown.
    pub not_proved: String,
    /// `1_forward`: the name of the files without their endings.
    pub slug: String,
    /// The starter that the learner edits.
    pub file: PathBuf,
    pub check: PathBuf,
    pub solution: PathBuf,
    /// The wrong answers that the check must refuse.
    pub wrong: Vec<PathBuf>,
    /// `ex2-1`
    pub starter_binary: String,
    /// `solution2-1`
    pub solution_binary: String,
}

/// `<details><summary>Hint N: title</summary>text</details>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// What follows `Hint N:`.
    pub title: String,
    /// Markdown.
    pub text: String,
}

impl Course {
    /// The course around the current folder.
    ///
    /// # Errors
    /// As [`Course::around`].
    pub fn find() -> Result<Course, Finding> {
        let here = std::env::current_dir().map_err(|error| {
            Finding::new(
                ".",
                0,
                format!("the current folder cannot be read: {error}"),
            )
        })?;
        Course::around(&here)
    }

    /// The course that a folder is part of.
    ///
    /// # Errors
    /// If neither this folder nor one above it is a course.
    pub fn around(folder: &Path) -> Result<Course, Finding> {
        let root = folder.ancestors().find(|folder| is_course(folder));
        let root = root.ok_or_else(|| {
            Finding::new(
                folder,
                0,
                "this folder is not inside the course; change to where you cloned it and try again",
            )
        })?;
        Course::at(root)
    }

    /// The course in `root`.
    ///
    /// # Errors
    /// If `chapters/` cannot be read.
    pub fn at(root: impl Into<PathBuf>) -> Result<Course, Finding> {
        let root = root.into();
        let mut chapters: Vec<Chapter> = names(&root, "chapters")?
            .into_iter()
            .filter_map(|name| Chapter::read(&root, name))
            .collect();
        chapters.sort_by(|a, b| (a.number, &a.name).cmp(&(b.number, &b.name)));
        let front = page(&root, Path::new("README.md"));
        Ok(Course {
            root,
            front,
            chapters,
        })
    }

    /// The text of a file named relative to the root.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(&self, file: &Path) -> Result<String, Finding> {
        fs::read_to_string(self.root.join(file))
            .map_err(|error| Finding::new(file, 0, format!("cannot be read: {error}")))
    }

    /// The chapter `2`, `02` or `02-first-proxy`.
    ///
    /// # Errors
    /// A message that lists the chapters there are.
    pub fn chapter(&self, name: &str) -> Result<&Chapter, String> {
        let number = name.parse::<u8>().ok();
        let mut named = self
            .chapters
            .iter()
            .filter(|chapter| chapter.name == name || Some(chapter.number) == number);
        match (named.next(), named.next()) {
            (Some(chapter), None) => Ok(chapter),
            (None, _) => Err(format!(
                "there is no chapter {name}; there are:{}",
                listed(self.chapters.iter().map(|chapter| chapter.name.clone()))
            )),
            (Some(one), Some(other)) => Err(format!(
                "{name} is ambiguous; say which:{}",
                listed([one, other].map(|chapter| chapter.name.clone()))
            )),
        }
    }

    /// The exercise `2.1`, with its chapter.
    ///
    /// # Errors
    /// A message that lists the exercises there are.
    pub fn exercise(&self, number: &str) -> Result<(&Chapter, &Exercise), String> {
        let Some((chapter, exercise)) = number.split_once('.') else {
            return Err(format!(
                "an exercise is named by chapter and number, as in 2.1, not {number:?}"
            ));
        };
        let chapter = self.chapter(chapter)?;
        let mut named = chapter
            .exercises
            .iter()
            .filter(|known| Ok(known.number) == exercise.parse());
        match (named.next(), named.next()) {
            (Some(exercise), None) => Ok((chapter, exercise)),
            (None, _) => Err(format!(
                "there is no exercise {number}; chapter {} has:{}",
                chapter.name,
                listed(chapter.exercises.iter().map(Exercise::heading))
            )),
            (Some(one), Some(other)) => Err(format!(
                "{number} is ambiguous: {} has it in lines {} and {}",
                chapter.readme.path.display(),
                one.line,
                other.line
            )),
        }
    }

    /// Every Markdown page: the root's, then those of the folders below it, hidden folders and `target` left out.
    pub fn pages(&self) -> Vec<Readme> {
        let mut pages = Vec::new();
        self.pages_in(Path::new(""), &mut pages);
        pages
    }

    fn pages_in(&self, folder: &Path, pages: &mut Vec<Readme>) {
        let mut folders = Vec::new();
        for name in names(&self.root, folder).unwrap_or_default() {
            let path = folder.join(&name);
            if name.ends_with(".md") {
                pages.push(page(&self.root, &path));
            } else if !name.starts_with('.') && name != "target" && self.root.join(&path).is_dir() {
                folders.push(path);
            }
        }
        for folder in folders {
            self.pages_in(&folder, pages);
        }
    }
}

impl Chapter {
    /// None if the folder's name is not `NN-name`.
    fn read(root: &Path, name: String) -> Option<Chapter> {
        let number = chapter_number(&name)?;
        let dir = Path::new("chapters").join(&name);
        let readme = page(root, &dir.join("README.md"));
        let mut chapter = Chapter {
            number,
            title: title(&readme),
            solutions_dir: Path::new("solutions").join(&name),
            package: format!("ch{name}"),
            solutions_package: format!("solutions{name}"),
            minutes: minutes(&readme),
            exercises: Vec::new(),
            dir,
            name,
            readme,
        };
        chapter.exercises = chapter.read_exercises(root);
        Some(chapter)
    }

    /// The lines of an exercise in the README, its heading included.
    pub fn section(&self, exercise: &Exercise) -> Range<usize> {
        let mut headings = self.readme.headings.iter();
        let heading = headings.find(|heading| heading.line == exercise.line);
        heading.map_or(0..0, |heading| self.readme.under(heading))
    }

    fn read_exercises(&self, root: &Path) -> Vec<Exercise> {
        let headings = self.readme.headings.iter();
        headings
            .filter(|heading| heading.level == 3)
            .filter_map(|heading| self.read_exercise(root, heading))
            .collect()
    }

    fn read_exercise(&self, root: &Path, heading: &Heading) -> Option<Exercise> {
        let (chapter, number, title) = exercise_number(&heading.text)?;
        let readme = &self.readme;
        let section = readme.under(heading);
        let stated = stated_line(readme, section.clone());
        let slug = stated_slug(stated).unwrap_or_else(|| guessed_slug(number, title));
        let file = format!("{slug}.rs");
        let prefix = format!("{number}_");
        let wrong = self.dir.join("checks").join("wrong");
        let not_proved = readme.paragraph(section.clone(), NOT_PROVED);
        Some(Exercise {
            chapter,
            number,
            title: title.to_owned(),
            minutes: leading_number(stated).unwrap_or_default(),
            core: stated.split('·').any(|part| part.trim() == "core"),
            line: heading.line,
            behaviour: behaviour(readme, section.clone()),
            hints: hints(readme, section),
            not_proved: not_proved.map_or_else(String::new, |(_, text)| {
                text.trim_start_matches(NOT_PROVED).trim().to_owned()
            }),
            file: self.dir.join("exercises").join(&file),
            check: self.dir.join("checks").join(&file),
            solution: self.solutions_dir.join(&file),
            wrong: rust_files(root, &wrong)
                .into_iter()
                .filter(|name| name.starts_with(&prefix))
                .map(|name| wrong.join(name))
                .collect(),
            starter_binary: format!("ex{chapter}-{number}"),
            solution_binary: format!("solution{chapter}-{number}"),
            slug,
        })
    }
}

impl Exercise {
    /// `2.1 Forward`
    pub fn heading(&self) -> String {
        format!("{} {}", self.id(), self.title)
    }

    /// `2.1`
    pub fn id(&self) -> String {
        format!("{}.{}", self.chapter, self.number)
    }
}

/// Begins the paragraph at an exercise's end.
pub(crate) const NOT_PROVED: &str = "**What passing does not prove.**";

/// Stands above the list of what must be true.
pub(crate) const BEHAVIOUR: &str = "Make this true:";

/// `02-first-proxy` is chapter 2.
pub(crate) fn chapter_number(folder: &str) -> Option<u8> {
    let (number, name) = folder.split_once('-')?;
    (number.len() == 2 && !name.is_empty())
        .then(|| number.parse().ok())
        .flatten()
}

/// The names of the Rust files in `folder`, sorted; none if there is no such folder.
pub(crate) fn rust_files(root: &Path, folder: &Path) -> Vec<String> {
    let mut names = names(root, folder).unwrap_or_default();
    names.retain(|name| name.ends_with(".rs"));
    names
}

/// What a folder holds, sorted.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn names(root: &Path, folder: impl AsRef<Path>) -> Result<Vec<String>, Finding> {
    let folder = folder.as_ref();
    let unread = |error| Finding::new(folder, 0, format!("cannot be read: {error}"));
    let mut names = Vec::new();
    for entry in fs::read_dir(root.join(folder)).map_err(unread)? {
        names.push(
            entry
                .map_err(unread)?
                .file_name()
                .to_string_lossy()
                .into_owned(),
        );
    }
    names.sort();
    Ok(names)
}

/// `150 minutes: 40 to read and run, 110 of exercises (core 55)`
fn minutes(readme: &Readme) -> Option<Minutes> {
    readme
        .prose(1..readme.last_line() + 1)
        .find_map(|(line, text)| {
            let (total, rest) = text.split_once(" minutes: ")?;
            let (reading, rest) = rest.split_once(" to read and run, ")?;
            let (exercises, rest) = rest.split_once(" of exercises (core ")?;
            Some(Minutes {
                line,
                total: total.parse().ok()?,
                reading: reading.parse().ok()?,
                exercises: exercises.parse().ok()?,
                core: rest.strip_suffix(')')?.parse().ok()?,
            })
        })
}

fn title(readme: &Readme) -> String {
    let title = readme.headings.first().map_or("", |heading| &heading.text);
    title
        .trim_start_matches(|c: char| c.is_ascii_digit())
        .trim()
        .to_owned()
}

fn behaviour(readme: &Readme, section: Range<usize>) -> Vec<String> {
    let Some((line, _)) = readme.paragraph(section.clone(), BEHAVIOUR) else {
        return Vec::new();
    };
    let after = |item_line| (line..section.end).contains(&item_line);
    let first = readme.items.iter().find(|item| after(item.line));
    let list = first.map(|item| item.list);
    readme
        .items
        .iter()
        .filter(|item| Some(item.list) == list)
        .map(|item| item.text.clone())
        .collect()
}

fn hints(readme: &Readme, section: Range<usize>) -> Vec<Hint> {
    readme
        .details
        .iter()
        .filter(|details| section.contains(&details.line))
        .filter_map(|details| {
            let (_number, title) = details.summary.strip_prefix("Hint ")?.split_once(':')?;
            Some(Hint {
                title: title.trim().to_owned(),
                text: details.text.trim().to_owned(),
            })
        })
        .collect()
}

/// The first line under an exercise's heading: ``20 minutes · core · edit `exercises/1_forward.rs` ``.
pub(crate) fn stated_line(readme: &Readme, section: Range<usize>) -> &str {
    let mut lines = readme.prose(section).skip(1).map(|(_, text)| text);
    lines.find(|text| !text.is_empty()).unwrap_or_default()
}

/// ``edit `exercises/1_forward.rs` `` names `1_forward`.
fn stated_slug(stated: &str) -> Option<String> {
    let (_, rest) = stated.split_once("`exercises/")?;
    let (slug, _) = rest.split_once(".rs`")?;
    Some(slug.to_owned())
}

fn guessed_slug(number: u8, title: &str) -> String {
    let title = title.to_lowercase().replace(' ', "_");
    format!("{number}_{title}")
}

fn leading_number(text: &str) -> Option<u32> {
    text.split(' ').next()?.parse().ok()
}

fn listed(names: impl IntoIterator<Item = String>) -> String {
    let names: Vec<String> = names.into_iter().collect();
    if names.is_empty() {
        return " none".to_owned();
    }
    names.iter().map(|name| format!("\n  {name}")).collect()
}

fn page(root: &Path, path: &Path) -> Readme {
    Readme::parse(
        path,
        fs::read_to_string(root.join(path)).unwrap_or_default(),
    )
}

fn is_course(folder: &Path) -> bool {
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
    manifest.lines().any(|line| line.trim() == "[workspace]") && folder.join("chapters").is_dir()
}
