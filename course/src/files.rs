//! The files of a chapter: what the README names is there, and nothing else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use crate::chapters::{Chapter, Course, Exercise, rust_files};
use crate::finding::{Finding, Report};

/// Every file of a chapter or of its solutions that is missing, left over or not declared.
pub fn check(course: &Course, chapter: &Chapter) -> Vec<Finding> {
    let mut findings = missing(course, chapter);
    findings.extend(left_over(course, chapter));
    findings.extend(manifest(course, chapter));
    findings.extend(solutions_manifest(course, chapter));
    findings.extend(listed_checks(course, chapter));
    findings
}

fn missing(course: &Course, chapter: &Chapter) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_missing = |path: &Path| !course.root.join(path).is_file();
    for name in ["src/main.rs", "docker-compose.yml"] {
        let file = chapter.dir.join(name);
        if is_missing(&file) {
            findings.push(Finding::new(file, 0, "is missing; every chapter has one"));
        }
    }
    for exercise in &chapter.exercises {
        let id = exercise.id();
        for file in [&exercise.file, &exercise.check, &exercise.solution] {
            if is_missing(file) {
                findings.push(Finding::new(
                    file,
                    0,
                    format!("is missing; exercise {id} needs it"),
                ));
            }
        }
        if exercise.wrong.is_empty() {
            let what = format!(
                "exercise {id} has no wrong answer that must fail; add {}_what.rs",
                exercise.number
            );
            findings.push(Finding::new(wrong_folder(chapter), 0, what));
        }
    }
    findings
}

fn left_over(course: &Course, chapter: &Chapter) -> Vec<Finding> {
    let known = |path: &Path| {
        let mut exercises = chapter.exercises.iter();
        exercises.any(|exercise| {
            [&exercise.file, &exercise.check, &exercise.solution]
                .into_iter()
                .any(|file| file == path)
                || exercise.wrong.iter().any(|file| file == path)
        })
    };
    [
        chapter.dir.join("exercises"),
        chapter.dir.join("checks"),
        wrong_folder(chapter),
        chapter.solutions_dir.clone(),
    ]
    .iter()
    .flat_map(|folder| {
        rust_files(&course.root, folder)
            .into_iter()
            .map(|name| folder.join(name))
    })
    .filter(|path| !known(path))
    .map(|path| {
        Finding::new(
            path,
            0,
            "belongs to no exercise of the README; add the exercise or delete the file",
        )
    })
    .collect()
}

fn wrong_folder(chapter: &Chapter) -> PathBuf {
    chapter.dir.join("checks").join("wrong")
}

/// What is read of a `Cargo.toml`.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Manifest {
    package: Package,
    #[serde(default)]
    features: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    bin: Vec<Spanned<Binary>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Package {
    name: String,
    default_run: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Binary {
    name: String,
    #[serde(default)]
    path: String,
    #[serde(default = "built")]
    test: bool,
    #[serde(default = "built")]
    bench: bool,
    #[serde(default = "built")]
    doc: bool,
    #[serde(default)]
    required_features: Vec<String>,
}

/// Cargo's default for `test`, `bench` and `doc`.
fn built() -> bool {
    true
}

fn manifest(course: &Course, chapter: &Chapter) -> Vec<Finding> {
    let mut file = match ManifestReport::read(course, &chapter.dir) {
        Ok(file) => file,
        Err(finding) => return vec![finding],
    };
    let name = chapter.package.as_str();
    file.want_name(name);
    let default_run = file.manifest.package.default_run.as_deref();
    file.want(
        default_run == Some(name),
        0,
        format!("`cargo run` does not know what to run; set default-run = \"{name}\""),
    );
    for exercise in &chapter.exercises {
        let path = format!("exercises/{}.rs", exercise.slug);
        file.want_binary(exercise, &exercise.starter_binary, &path, &[]);
    }
    file.report.findings
}

fn solutions_manifest(course: &Course, chapter: &Chapter) -> Vec<Finding> {
    let mut file = match ManifestReport::read(course, &chapter.solutions_dir) {
        Ok(file) => file,
        Err(finding) => return vec![finding],
    };
    file.want_name(&chapter.solutions_package);
    let default = file.manifest.features.get("default");
    let on = default.is_some_and(|default| default.iter().any(|feature| feature == BINS));
    file.want(on, 0, "`cargo test` would not build the solutions; set default = [\"bins\"] and bins = [] in [features]");
    for exercise in &chapter.exercises {
        let path = format!("{}.rs", exercise.slug);
        file.want_binary(exercise, &exercise.solution_binary, &path, &[BINS]);
    }
    let wrong = format!("wrong{}", chapter.number);
    let composed = file
        .manifest
        .bin
        .iter()
        .any(|bin| bin.get_ref().name == wrong);
    file.want(composed, 0, format!("the wrong answers are not built; add [[bin]] name = \"{wrong}\", path = \"../wrong.rs\""));
    file.report.findings
}

const BINS: &str = "bins";

/// One `Cargo.toml` and its flaws.
struct ManifestReport {
    text: String,
    manifest: Manifest,
    report: Report,
}

impl ManifestReport {
    fn read(course: &Course, folder: &Path) -> Result<ManifestReport, Finding> {
        let file = folder.join("Cargo.toml");
        let text = course.read(&file)?;
        let manifest = toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(0, |span| line_at(&text, span.start));
            Finding::new(&file, line, error.message())
        })?;
        Ok(ManifestReport {
            text,
            manifest,
            report: Report::of(file),
        })
    }

    fn want(&mut self, holds: bool, line: usize, what: impl Into<String>) {
        self.report.want(holds, line, what);
    }

    fn want_name(&mut self, name: &str) {
        let what = format!("name the package \"{name}\", after its folder");
        self.want(self.manifest.package.name == name, 0, what);
    }

    fn want_binary(&mut self, exercise: &Exercise, name: &str, path: &str, features: &[&str]) {
        let features_line = match features {
            [] => String::new(),
            features => format!(", required-features = {features:?}"),
        };
        let form = format!(
            "[[bin]] name = \"{name}\", path = \"{path}\"{features_line}, test = false, bench = false, doc = false"
        );
        let id = exercise.id();
        let Some(binary) = self
            .manifest
            .bin
            .iter()
            .find(|binary| binary.get_ref().name == name)
        else {
            self.want(false, 0, format!("exercise {id} has no binary; add {form}"));
            return;
        };
        let line = line_at(&self.text, binary.span().start);
        let Binary {
            path: its_path,
            test,
            bench,
            doc,
            required_features,
            ..
        } = binary.get_ref();
        let good = its_path == path && !test && !bench && !doc && required_features == features;
        self.want(
            good,
            line,
            format!("the binary of exercise {id} differs from its form; write {form}"),
        );
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    text.get(..offset)
        .map_or(0, |before| before.matches('\n').count() + 1)
}

fn listed_checks(course: &Course, chapter: &Chapter) -> Vec<Finding> {
    let file = chapter.solutions_dir.join("tests").join("checks.rs");
    let text = match course.read(&file) {
        Ok(text) => text,
        Err(finding) => return vec![finding],
    };
    let paths = chapter
        .exercises
        .iter()
        .map(|exercise| format!("#[path = \"../../../{}\"]", exercise.check.display()));
    paths
        .filter(|path| !text.contains(path))
        .map(|path| {
            Finding::new(
                &file,
                0,
                format!("a check is not run; add {path} and a `mod` for it"),
            )
        })
        .collect()
}
