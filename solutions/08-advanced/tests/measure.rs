//! The command that measures: its short run shows rows for what is there, one clear line for what is not, and leaves
//! nothing behind. What it counts is tested beside the code.

// It reads /proc.
#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::LazyLock,
};

use course::cargo::{self, Diagnostics, Target};
use tempfile::TempDir;

/// Built once a run.
static MEASURE: LazyLock<PathBuf> = LazyLock::new(|| {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let target = Target::Binary("ch08-measure");
    let built = cargo::build(root, "ch08-advanced", target, Diagnostics::Returned);
    built.expect("ch08-measure builds").executable
});

/// The answer to 8.10, which cargo puts one folder above this test.
fn solution() -> PathBuf {
    let test = env::current_exe().expect("this test is a file");
    let folder = test.ancestors().nth(2).expect("two folders above");
    folder.join("solution8-10")
}

/// The command, with a folder of its own for all that it writes.
fn measure(arguments: &[&str]) -> (Command, TempDir) {
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new(&*MEASURE);
    command
        .arg("--program")
        .arg(solution())
        .args(arguments)
        .env("TMPDIR", temporary.path());
    (command, temporary)
}

fn run(arguments: &[&str]) -> Output {
    let (mut command, temporary) = measure(arguments);
    let output = command.output().expect("the command starts");
    expect_nothing_left(&temporary);
    output
}

/// Neither files, nor a program that was told where its files are.
fn expect_nothing_left(temporary: &TempDir) {
    let files = fs::read_dir(temporary.path()).expect("the folder is there");
    assert_eq!(files.count(), 0, "files are left");
    let path = temporary.path().to_string_lossy().into_owned();
    let processes = fs::read_dir("/proc").expect("Linux").flatten();
    for process in processes.map(|it| it.path()) {
        let told = ["cmdline", "environ"]
            .map(|name| fs::read(process.join(name)).unwrap_or_default())
            .map(|bytes| String::from_utf8_lossy(&bytes).contains(&path));
        assert_eq!(told, [false, false], "{} is left", process.display());
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The one line on stderr.
fn complaint(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

#[test]
fn a_quick_run_has_a_row_for_what_is_there_and_a_line_for_what_is_not() {
    let nobody = ["--nginx", "/nowhere/nginx", "--haproxy", "/nowhere/haproxy"];
    let quick = ["--quick", "--case", "small", "--case", "http2"];
    let output = run(&[&quick[..], &nobody].concat());
    let text = stdout(&output);
    assert!(output.status.success(), "{output:?}");
    for wanted in [
        "/nowhere/nginx is not installed; the rest is measured without it. On Debian: apt install nginx\n",
        "/nowhere/haproxy is not installed; the rest is measured without it. On Debian: apt install haproxy\n",
        "small answers, HTTP/1.1: 200 requests/s on 64 connections\n",
        "Not measured: debug/solution8-10, small answers, HTTP/2, TLS 1.3: cannot connect to ",
    ] {
        assert!(text.contains(wanted), "{wanted} is not in:\n{text}");
    }
    let row = text
        .lines()
        .find(|line| line.starts_with("| debug/solution8-10 | "))
        .expect("a row for the program");
    assert!(row.ends_with("| 0 |"), "no request fails: {row}");
}

#[test]
fn reuse_and_memory_are_counted_for_whoever_is_installed() {
    let output = run(&["--no-rounds", "--reuse", "20", "--idle", "100"]);
    let text = stdout(&output);
    assert!(output.status.success(), "{output:?}");
    let rows = text
        .lines()
        .filter(|line| line.starts_with("| debug/solution8-10 | "));
    let rows: Vec<&str> = rows.collect();
    assert_eq!(rows.len(), 2, "{text}");
    assert!(
        text.contains("Not measured: debug/solution8-10, small answers, HTTP/1.1, TLS 1.3: "),
        "{text}"
    );
}

#[test]
fn a_program_that_is_missing_is_named() {
    let line = complaint(&run(&["--quick", "--program", "/nowhere/proxy"]));
    assert!(line.contains("/nowhere/proxy: No such file"), "{line}");
}

#[test]
fn a_program_that_ends_at_once_is_named_and_the_others_are_ended() {
    let line = complaint(&run(&["--quick", "--program", "/bin/false"]));
    assert!(line.contains("bin/false ended at once"), "{line}");
}

#[test]
fn a_setting_that_cannot_be_used_is_refused() {
    for arguments in [
        ["--seconds", "0"],
        ["--rounds", "0"],
        ["--rate", "1"],
        ["--case", "x"],
    ] {
        let output = run(&arguments);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
}

#[test]
fn a_run_that_is_stopped_ends_what_it_has_started() {
    let (mut command, temporary) = measure(&["--seconds", "600", "--case", "small"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the command starts");
    let output = child.stdout.take().expect("it is a pipe");
    let mut lines = BufReader::new(output).lines();
    assert!(lines.next().is_some(), "it says something first");

    let sent = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status();
    assert!(sent.is_ok_and(|status| status.success()), "kill works");

    let ended = child.wait().expect("it ends");
    assert_eq!(ended.code(), Some(2));
    expect_nothing_left(&temporary);
}
