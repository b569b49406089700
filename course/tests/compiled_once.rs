//! Every command of the course shares one build of its dependencies: from a first `cargo run` to `cargo test`, none is
//! compiled twice. Cargo unifies features per command, so a feature that only one package asks for makes a second
//! build of that dependency and of all that depend on it.

#![allow(
    clippy::expect_used,
    reason = "a test that fails by a panic is a test that works"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

/// The command that compiles everything.
const WHOLE: &str = "cargo test";

/// A dependency with its version, and for each command the feature sets with which that command compiles it.
type Features = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

#[test]
fn no_dependency_is_compiled_with_different_features() {
    let packages = own_packages();
    assert!(
        packages.iter().any(|package| package == "ch02-first-proxy"),
        "{packages:?}"
    );

    let mut features = Features::new();
    collect(
        &mut features,
        WHOLE,
        &["--workspace", "--edges", "normal,build,dev"],
    );
    for package in &packages {
        let command = format!("cargo run -p {package}");
        collect(
            &mut features,
            &command,
            &["--package", package, "--edges", "normal,build"],
        );
    }

    let twice: Vec<String> = features
        .iter()
        .filter_map(|(name, commands)| differing(name, commands))
        .collect();
    assert!(
        twice.is_empty(),
        "compiled more than once; name what is missing in upstreams/Cargo.toml or in the root's table:\n{}",
        twice.join("\n")
    );
}

/// The packages of the workspace, except the shim: it is a dependency.
fn own_packages() -> Vec<String> {
    let printed = cargo(&[
        "tree",
        "--workspace",
        "--depth",
        "0",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]);
    let names = printed.lines().filter_map(|line| line.split(' ').next());
    let own = names.filter(|name| !name.is_empty() && *name != "libz-ng-sys");
    own.map(str::to_owned).collect()
}

fn collect(features: &mut Features, command: &str, selection: &[&str]) {
    let format = [
        "tree",
        "--prefix",
        "none",
        "--no-dedupe",
        "--format",
        "{p}|{f}",
    ];
    for line in cargo(&[&format, selection].concat()).lines() {
        // `tokio v1.54.1|bytes,default`; a proc-macro says so between the two.
        let Some((package, set)) = line.split_once('|') else {
            continue;
        };
        let name: Vec<&str> = package.split(' ').take(2).collect();
        let commands = features.entry(name.join(" ")).or_default();
        commands
            .entry(command.to_owned())
            .or_default()
            .insert(set.to_owned());
    }
}

/// The commands that compile a dependency in a way in which the whole workspace does not, with what each compiles. A
/// dependency may have two ways there: one in programs, one in what runs while they are built, as macros do.
fn differing(name: &str, commands: &BTreeMap<String, BTreeSet<String>>) -> Option<String> {
    let whole = commands.get(WHOLE).cloned().unwrap_or_default();
    let all = commands
        .iter()
        .map(|(command, sets)| format!("    {command}: {sets:?}"));
    commands
        .values()
        .any(|sets| !sets.is_subset(&whole))
        .then(|| format!("  {name}\n{}", all.collect::<Vec<_>>().join("\n")))
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}

#[test]
fn a_difference_names_the_dependency_and_the_commands() {
    let mut features = Features::new();
    for (command, set) in [(WHOLE, "default,full"), ("cargo run -p a", "default")] {
        let commands = features.entry("tokio v1.0.0".to_owned()).or_default();
        commands
            .entry(command.to_owned())
            .or_default()
            .insert(set.to_owned());
    }
    let (name, commands) = features.first_key_value().expect("one dependency");
    assert_eq!(
        differing(name, commands).as_deref(),
        Some(
            "  tokio v1.0.0\n    cargo run -p a: {\"default\"}\n    cargo test: {\"default,full\"}"
        )
    );
}
