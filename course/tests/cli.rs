//! The command's own words: usage, lists, progress, and how it reads what tests print.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use course::chapters::Course;
use course::process::patience;
use course::progress::{Progress, State, sum};
use course::verdict::{Outcome, Test, parse};
use course::{list, published};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

const README: &str = "# 02 First proxy

A proxy.

95 minutes: 40 to read and run, 55 of exercises (core 15)

```console
$ echo one
one
```

## Exercises

### 2.1 Forward
15 minutes · core · edit `exercises/1_forward.rs`

Make this true:
- The path arrives.

```console
$ echo two
three
```

**What passing does not prove.** That it is fast.

### 2.2 Health of the proxy
40 minutes · extra · edit `exercises/2_healthz.rs`
";

/// A course of one chapter whose starters are published.
fn course() -> (TempDir, Course) {
    let folder = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| {
        let file = folder.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    };
    write("Cargo.toml", "[workspace]\n");
    write("chapters/02-first-proxy/README.md", README);
    write(
        "chapters/02-first-proxy/exercises/1_forward.rs",
        "fn main() {}\n",
    );
    write(
        "chapters/02-first-proxy/exercises/2_healthz.rs",
        "fn main() {}\n",
    );
    let course = Course::at(folder.path()).unwrap();
    published::write_sums(&course, &course.chapters[0]).unwrap();
    (folder, course)
}

fn edit(course: &Course, text: &str) {
    fs::write(
        course
            .root
            .join("chapters/02-first-proxy/exercises/1_forward.rs"),
        text,
    )
    .unwrap();
}

fn state_of_first(course: &Course, progress: &Progress) -> State {
    let chapter = &course.chapters[0];
    progress.state(course, chapter, &chapter.exercises[0])
}

fn record(course: &Course, passed: bool) {
    let exercise = &course.chapters[0].exercises[0];
    let mut progress = Progress::load(&course.root);
    progress.record(exercise, sum(course, exercise).unwrap(), passed);
    progress.save(&course.root).unwrap();
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_course"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

#[track_caller]
fn assert_ends(output: &Output, code: i32, part: &str) {
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(text.contains(part), "{part:?} is missing in\n{text}");
}

#[test]
fn bad_usage_is_told_apart_from_a_failed_check() {
    let (folder, _) = course();
    assert_ends(
        &run(folder.path(), &["check"]),
        2,
        "Usage: cargo course check",
    );
    assert_ends(&run(folder.path(), &["chekc"]), 2, "'check'");
    assert_ends(
        &run(folder.path(), &["check", "2.1", "--all"]),
        2,
        "cannot be used with",
    );
}

#[test]
fn an_unknown_number_lists_what_there_is() {
    let (folder, _) = course();
    assert_ends(&run(folder.path(), &["check", "2.7"]), 2, "2.1 Forward");
    assert_ends(&run(folder.path(), &["check", "9"]), 2, "02-first-proxy");
    assert_ends(&run(folder.path(), &["demo", "9.1"]), 2, "02-first-proxy");
    assert_ends(&run(folder.path(), &["sums", "nine"]), 2, "02-first-proxy");
}

#[test]
fn outside_the_course_it_says_so() {
    let folder = tempfile::tempdir().unwrap();
    assert_ends(&run(folder.path(), &["list"]), 2, "not inside the course");
}

#[test]
fn a_folder_inside_the_course_will_do() {
    let (folder, _) = course();
    assert_ends(
        &run(&folder.path().join("chapters/02-first-proxy"), &["list"]),
        0,
        "2.1 Forward",
    );
}

#[test]
fn a_check_without_packages_fails_and_says_what_to_mend() {
    let (folder, _) = course();
    let output = run(folder.path(), &["check", "2.1"]);
    assert_ends(
        &output,
        1,
        "2.1 does not build: mend chapters/02-first-proxy/exercises/1_forward.rs",
    );
    assert_ends(&output, 1, "cargo course check 2.1");
    assert_ends(
        &run(folder.path(), &["check", "2"]),
        1,
        "0 of 2 exercises passed",
    );
}

#[test]
fn a_demonstration_without_a_terminal_asks_for_auto() {
    let (folder, _) = course();
    assert_ends(&run(folder.path(), &["demo", "2"]), 2, "--auto");
}

#[test]
fn a_demonstration_plays_the_blocks_outside_the_exercises() {
    let (folder, _) = course();
    let output = run(folder.path(), &["demo", "2", "--auto"]);
    assert_ends(&output, 0, "$ echo one \none\n");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("two"));
}

#[test]
fn a_demonstration_that_differs_says_where() {
    let (folder, _) = course();
    let output = run(folder.path(), &["demo", "2.1", "--auto"]);
    assert_ends(&output, 1, "$ echo two \ntwo\n");
    assert_ends(
        &output,
        1,
        "differs from chapters/02-first-proxy/README.md:21: the output differs",
    );
}

#[test]
fn ctrl_c_leaves_nothing_running() {
    let (folder, _) = course();
    let chapter = folder.path().join("chapters/02-first-proxy");
    // The stubborn case: what ignores Ctrl-C is killed.
    let page = "```console\n$ trap '' INT; sleep 60 & echo $! > pid; mv pid sleeper; wait\n```\n";
    fs::write(chapter.join("README.md"), page).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_course"));
    command
        .args(["demo", "2", "--auto"])
        .current_dir(folder.path());
    let mut demo = command.stdout(Stdio::null()).spawn().unwrap();
    let sleeper = chapter.join("sleeper");
    wait_until("the page's command runs", || sleeper.exists());

    let demo_id = Pid::from_raw(i32::try_from(demo.id()).unwrap());
    kill(demo_id, Signal::SIGINT).unwrap();

    assert_eq!(demo.wait().unwrap().code(), Some(130));
    let sleeper = fs::read_to_string(sleeper).unwrap();
    wait_until("the page's command is gone", || {
        let state = Command::new("ps")
            .args(["-o", "stat=", "-p", sleeper.trim()])
            .output()
            .unwrap();
        let state = String::from_utf8_lossy(&state.stdout).trim().to_owned();
        state.is_empty() || state.starts_with('Z') // an orphan may wait for init as a zombie
    });
}

#[track_caller]
fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + patience();
    while !condition() {
        assert!(
            Instant::now() < deadline,
            "{what}: not within {:?}",
            patience()
        );
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_list_shows_minutes_kind_and_state() {
    let (_folder, course) = course();
    let text = list::list(&course, &Progress::default());
    let expected = "02 First proxy
   2.1 Forward                                   15 min  core   untouched
   2.2 Health of the proxy                       40 min  extra  untouched

One day, core exercises   0 h 55 min
Everything                1 h 35 min
";
    assert_eq!(text, expected);
}

#[test]
fn the_overview_names_the_next_step() {
    let (_folder, course) = course();
    edit(&course, "fn main() { }\n");
    record(&course, true);
    let text = list::overview(&course, &Progress::load(&course.root));
    let expected = "02 First proxy                  1 of 2 solved

Next: 2.2 Health of the proxy, 40 minutes
  Read   chapters/02-first-proxy/README.md#22-health-of-the-proxy
  Edit   chapters/02-first-proxy/exercises/2_healthz.rs
  Check  cargo course check 2.2";
    assert_eq!(text, expected);
}

#[test]
fn a_verdict_is_kept_until_the_file_changes() {
    let (_folder, course) = course();
    let state = |course: &Course| state_of_first(course, &Progress::load(&course.root));
    assert_eq!(state(&course), State::Untouched);
    edit(&course, "fn main() { }\n");
    assert_eq!(state(&course), State::Changed);
    record(&course, false);
    assert_eq!(state(&course), State::Failed);
    edit(&course, "fn main() {  }\n");
    assert_eq!(state(&course), State::Changed);
    record(&course, true);
    assert_eq!(state(&course), State::Passed);
    edit(&course, "fn main() {}\n");
    assert_eq!(state(&course), State::Untouched);
}

#[test]
fn a_broken_progress_file_is_ignored() {
    let (folder, course) = course();
    record(&course, true);
    fs::write(folder.path().join(".course/verdicts.json"), "{\"2.1\":").unwrap();
    assert_eq!(Progress::load(&course.root), Progress::default());
    assert_ends(
        &run(folder.path(), &["list"]),
        0,
        "verdicts.json is ignored",
    );
}

const PRINTED: &str = "
running 4 tests
test ex1_forward::streams_the_body ... FAILED
test ex1_forward::given::it_starts ... ok
test ex1_forward::later ... ignored
test ex1_forward::breaks ... FAILED

failures:

---- ex1_forward::breaks stdout ----

thread 'ex1_forward::breaks' (12) panicked at src/x.rs:1:1:
index out of bounds

---- ex1_forward::streams_the_body stdout ----

thread 'ex1_forward::streams_the_body' (13) panicked at checks/1_forward.rs:9:5:
2.1 streams_the_body: the first piece came late

  more             README 2.1 · checks/1_forward.rs:9
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace


failures:
    ex1_forward::breaks
    ex1_forward::streams_the_body

test result: FAILED. 1 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s
";

fn test<'a>(tests: &'a [Test], name: &str) -> &'a Test {
    tests.iter().find(|test| test.name == name).unwrap()
}

#[test]
fn what_tests_print_is_read() {
    let tests = parse(PRINTED);
    let names: Vec<&str> = tests.iter().map(|test| test.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "ex1_forward::breaks",
            "ex1_forward::given::it_starts",
            "ex1_forward::later",
            "ex1_forward::streams_the_body"
        ]
    );
    let given = test(&tests, "ex1_forward::given::it_starts");
    assert!(given.is_given() && given.passed());
    assert_eq!(given.behaviour(), "it starts");
    assert_eq!(test(&tests, "ex1_forward::later").result, Outcome::Ignored);
    assert!(!test(&tests, "ex1_forward::breaks").is_given());
}

#[test]
fn a_failure_is_explained_in_the_words_of_lab_or_else_in_its_own() {
    let tests = parse(PRINTED);
    let failed = test(&tests, "ex1_forward::streams_the_body")
        .explanation()
        .unwrap();
    assert!(
        failed.starts_with("2.1 streams_the_body: the first piece came late"),
        "{failed}"
    );
    assert!(failed.ends_with("checks/1_forward.rs:9"), "{failed}");
    let broken = test(&tests, "ex1_forward::breaks").explanation().unwrap();
    assert!(
        broken.contains("index out of bounds") && !broken.contains("streams"),
        "{broken}"
    );
}
