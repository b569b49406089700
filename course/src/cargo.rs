//! Calls cargo: builds one executable and says where it is.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::process::Process;
use crate::say::complain;

/// The longest that a build may take: a first one compiles Pingora, and may wait for others to finish theirs.
pub const BUILD_LIMIT: Duration = Duration::from_secs(40 * 60);

/// Variables of cargo's own that a nested cargo must see; the rest describes the package that calls it.
const KEPT: [&str; 9] = [
    "CARGO_HOME",
    "CARGO_TARGET_DIR",
    "CARGO_INCREMENTAL",
    "CARGO_NET_",
    "CARGO_TERM_",
    "CARGO_REGISTRIES_",
    "CARGO_PROFILE_",
    "CARGO_BUILD_",
    "CARGO_HTTP_",
];

/// Settings of the course's programs; a page or a check sets those it needs.
const SETTINGS: [&str; 12] = [
    "RUST_LOG",
    "LISTEN",
    "LISTEN_TCP",
    "LISTEN_TLS",
    "ADMIN",
    "UPSTREAMS",
    "UPSTREAM_NAME",
    "DNS_SERVER",
    "ECHO_PORTS",
    "CHECK_BINARY",
    "WRONG",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];

/// Two builds at a time only wait for each other, and tell the reader so.
static BUILDING: Mutex<()> = Mutex::new(());

/// What to build, in cargo's words.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// `--bin`
    Binary(&'a str),
    /// `--test checks`, without the package's own binaries: they would all be linked first.
    Checks,
}

/// An executable that was built.
#[derive(Debug)]
pub struct Built {
    pub executable: PathBuf,
    /// Warnings of the package itself, as the compiler shows them. Empty unless they were asked for.
    pub warnings: Vec<String>,
}

/// Who sees what the compiler says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Diagnostics {
    /// The person at the terminal, as cargo shows it.
    Shown,
    /// The caller: errors in the error, warnings in [`Built`].
    Returned,
}

/// Why there is no executable.
#[derive(Debug)]
pub enum BuildError {
    /// Cargo could not be started, or took too long.
    Cargo(io::Error),
    /// Cargo failed. The text is empty if it was shown already.
    Failed(String),
}

/// Builds one executable of `package`.
///
/// # Errors
/// If cargo fails or is missing.
pub fn build(
    root: &Path,
    package: &str,
    target: Target,
    diagnostics: Diagnostics,
) -> Result<Built, BuildError> {
    let command = build_command(root, package, target, diagnostics);
    let _one_at_a_time = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let (printed, status) = match diagnostics {
        Diagnostics::Shown => run(Process::start_stdout(command)),
        Diagnostics::Returned => run(Process::start(command, crate::process::Echo::Off)),
    }
    .map_err(BuildError::Cargo)?;
    let messages: Vec<Value> = printed
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let executable = messages
        .iter()
        .filter_map(|message| message.get("executable")?.as_str())
        .next_back();
    match executable {
        Some(executable) if status.success() => Ok(Built {
            executable: PathBuf::from(executable),
            warnings: rendered(&messages, package, "warning"),
        }),
        _ => Err(BuildError::Failed(failure(
            &printed,
            &messages,
            diagnostics,
        ))),
    }
}

/// A chapter's demo, built, for tests that run it: cargo tells a package where its own programs are, and not those of
/// another. If it cannot be built, stderr has what the compiler says, and the path says it too.
#[must_use]
pub fn demo(package: &str) -> PathBuf {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    match build(
        root,
        package,
        Target::Binary(package),
        Diagnostics::Returned,
    ) {
        Ok(built) => built.executable,
        Err(error) => {
            complain(error.text());
            PathBuf::from(format!("{package}, which cannot be built"))
        }
    }
}

/// Makes `command` independent of the cargo and of the settings that this process was started with.
///
/// Build scripts that watch `CARGO_PKG_*` and `OUT_DIR`, ring's among them, would otherwise run again at every nested
/// build, and all that depends on them be compiled again. A test has an `OUT_DIR` where its package has a build script.
pub fn isolate(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        let cargos = name.starts_with("CARGO") && !KEPT.iter().any(|kept| name.starts_with(kept));
        if cargos || SETTINGS.contains(&name.as_str()) {
            command.env_remove(name);
        }
    }
    command.env_remove("OUT_DIR").env("RUST_BACKTRACE", "0");
}

fn build_command(root: &Path, package: &str, target: Target, diagnostics: Diagnostics) -> Command {
    let mut command = Command::new("cargo");
    match target {
        Target::Binary(name) => command.args(["build", "--bin", name]),
        Target::Checks => command.args([
            "test",
            "--no-run",
            "--no-default-features",
            "--test",
            "checks",
        ]),
    };
    command
        .args(["--quiet", "--package", package])
        .current_dir(root);
    command.arg(match diagnostics {
        Diagnostics::Shown => "--message-format=json-render-diagnostics",
        Diagnostics::Returned => "--message-format=json",
    });
    isolate(&mut command);
    command
}

fn run(process: io::Result<Process>) -> io::Result<(String, ExitStatus)> {
    let mut process = process?;
    process.wait_until(BUILD_LIMIT, |seen| seen.is_over());
    let seen = process.seen();
    let late = || io::Error::new(io::ErrorKind::TimedOut, "cargo did not come to an end");
    Ok((seen.text, seen.status.ok_or_else(late)?))
}

/// What the compiler said about `package` at `level`, as it shows it.
fn rendered(messages: &[Value], package: &str, level: &str) -> Vec<String> {
    messages
        .iter()
        .filter(|message| concerns(message, package))
        .filter_map(|message| message.get("message"))
        .filter(|message| message.get("level").and_then(Value::as_str) == Some(level))
        .filter_map(|message| message.get("rendered")?.as_str().map(str::to_owned))
        .collect()
}

/// `package_id` is a URL that ends in `#name@version`, or in `/name#version` where the folder has the same name.
fn concerns(message: &Value, package: &str) -> bool {
    let id = message
        .get("package_id")
        .and_then(Value::as_str)
        .unwrap_or_default();
    id.contains(&format!("#{package}@")) || id.contains(&format!("/{package}#"))
}

fn failure(printed: &str, messages: &[Value], diagnostics: Diagnostics) -> String {
    if diagnostics == Diagnostics::Shown {
        return String::new();
    }
    let compilers = messages
        .iter()
        .filter_map(|message| message.get("message")?.get("rendered")?.as_str());
    let cargos = printed.lines().filter(|line| !line.starts_with('{'));
    compilers
        .map(str::trim_end)
        .chain(cargos)
        .collect::<Vec<_>>()
        .join("\n")
}

impl BuildError {
    /// What to show below cargo's own words.
    pub fn text(&self) -> String {
        match self {
            Self::Cargo(error) => format!("cargo: {error}"),
            Self::Failed(text) => text.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nested_build_sees_no_folder_of_the_package_that_runs_it() {
        let mut command = Command::new("cargo");
        isolate(&mut command);
        let mut set = command.get_envs();
        assert!(set.any(|(name, value)| name == "OUT_DIR" && value.is_none()));
    }
}
