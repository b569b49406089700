//! Composes a chapter's known wrong answers into one binary: `WRONG=1_close_delimited wrong1` runs that one.
//!
//! A wrong answer is the solution with other code in its regions; see course/src/compose.rs for the form.

use std::{
    env, fs,
    io::{Error, Result},
    path::Path,
};

#[path = "../course/src/compose.rs"]
mod compose;

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed=../build.rs");
    println!("cargo::rerun-if-changed=../../course/src/compose.rs");
    if env::var_os("CARGO_FEATURE_BINS").is_none() {
        return Ok(());
    }
    let solutions = variable("CARGO_MANIFEST_DIR")?;
    let solutions = Path::new(&solutions);
    let chapter = solutions
        .file_name()
        .ok_or_else(|| Error::other("a folder without a name"))?;
    let wrong = solutions
        .join("../../chapters")
        .join(chapter)
        .join("checks/wrong");
    println!("cargo::rerun-if-changed={}", wrong.display());
    let out = variable("OUT_DIR")?;

    let (mut modules, mut arms) = (String::new(), String::new());
    for (name, text) in answers(&wrong)? {
        let number = name.split('_').next().unwrap_or_default();
        let solution = solution(solutions, number)?;
        println!("cargo::rerun-if-changed={}", solution.display());
        let composed = compose::compose(&fs::read_to_string(&solution)?, &text)
            .map_err(|error| Error::other(format!("checks/wrong/{name}.rs: {error}")))?;
        // A module that a solution shares with its chapter is named from the solution's folder.
        let shared = format!("#[path = \"{}/", solutions.display());
        let composed = composed.replace("#[path = \"", &shared);
        let path = Path::new(&out).join(format!("{name}.rs"));
        fs::write(
            &path,
            composed.replace("\nfn main()", "\npub(crate) fn main()"),
        )?;
        modules += &format!("#[path = {path:?}]\nmod wrong_{name};\n");
        arms += &format!("        Some(\"{name}\") => wrong_{name}::main(),\n");
    }
    fs::write(
        Path::new(&out).join("wrong.rs"),
        format!(
            "{modules}\nfn main() {{\n    match std::env::var(\"WRONG\").ok().as_deref() {{\n{arms}        \
             other => {{\n            eprintln!(\"WRONG: no wrong answer is named {{other:?}}\");\n            \
             std::process::exit(2)\n        }}\n    }}\n}}\n"
        ),
    )
}

/// The wrong answers by name, in order.
fn answers(folder: &Path) -> Result<Vec<(String, String)>> {
    let mut answers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if let Some(name) = path.file_stem().and_then(|name| name.to_str()) {
            answers.push((name.to_owned(), fs::read_to_string(&path)?));
        }
    }
    answers.sort();
    Ok(answers)
}

/// The solution of the exercise with this number: `1` finds `1_ping.rs`.
fn solution(folder: &Path, number: &str) -> Result<std::path::PathBuf> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if name
            .strip_prefix(number)
            .is_some_and(|rest| rest.starts_with('_'))
        {
            return Ok(path);
        }
    }
    Err(Error::other(format!(
        "{}: no solution has the number {number}",
        folder.display()
    )))
}

fn variable(name: &str) -> Result<String> {
    env::var(name).map_err(|error| Error::other(format!("{name}: {error}")))
}
