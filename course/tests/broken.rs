//! Tests of the tests: a small sound course has no finding, and each flaw put into it has exactly the one expected.

use std::fs;
use std::io;
use std::path::Path;

use course::chapters::Course;
use course::published::{self, State};
use course::{anatomy, links, page, regions, sources};
use tempfile::TempDir;

const FRONT: &str = "\
# A course

[Echo](chapters/01-echo/)
";

const README: &str = "\
# 01 Echo

You build an echo.

35 minutes: 10 to read and run, 25 of exercises (core 25)

## You will be able to

- say what an echo is
- ask for one
- tell it from an answer

## The idea

```mermaid
graph LR
```

<details><summary>The diagram in words</summary>

A box.
</details>

## Predict, then run

**Predict.** What comes back?

```console
$ cargo run
```

## Tour of `main.rs`

<!-- from src/main.rs -->
```rust
let asked = ask();
// ...
tell(asked);
```

## Exercises

### 1.1 Ask

10 minutes · core · edit `exercises/1_ask.rs`

Who asks, hears.

Make this true:
- It asks.

<details><summary>Hint 1: where</summary>

There.
</details>
<details><summary>Hint 2: with what</summary>

That.
</details>
<details><summary>Hint 3: nearly all of it</summary>

`ask()`
</details>

**What passing does not prove.** That anyone listens.

### 1.2 Tell

15 minutes · core · edit `exercises/2_tell.rs`

Who is told, knows.

Make this true:
- It tells.

<details><summary>Hint 1: where</summary>

There.
</details>
<details><summary>Hint 2: with what</summary>

That.
</details>
<details><summary>Hint 3: nearly all of it</summary>

`tell()`
</details>

**What passing does not prove.** That it is true.

## Check yourself

1. Who asks?
2. Who tells?
3. Who knows?

<details><summary>Answers</summary>

1. You.
</details>

## Instructor notes

<details><summary>Notes</summary>

**Ask:** who? **Demo:** an echo. **Pitfall:** silence. 5 minutes.
</details>

## Further reading

- [Pingora](https://github.com/cloudflare/pingora/blob/main/docs/README.md)
- [The idea](#the-idea), [the course](../../README.md#a-course)
";

const MAIN: &str = "\
fn main() {
    let asked = ask();
    let silence = ();
    tell(asked);
}
";

const CARGO: &str = r#"[package]
name = "ch01-echo"
default-run = "ch01-echo"

[[bin]]
name = "ex1-1"
path = "exercises/1_ask.rs"
test = false
bench = false
doc = false

[[bin]]
name = "ex1-2"
path = "exercises/2_tell.rs"
test = false
bench = false
doc = false
"#;

const SOLUTIONS_CARGO: &str = r#"[package]
name = "solutions01-echo"

[features]
default = ["bins"]
bins = []

[[bin]]
name = "solution1-1"
path = "1_ask.rs"
required-features = ["bins"]
test = false
bench = false
doc = false

[[bin]]
name = "solution1-2"
path = "2_tell.rs"
required-features = ["bins"]
test = false
bench = false
doc = false

[[bin]]
name = "wrong1"
path = "../wrong.rs"
"#;

const CHECKS: &str = r#"#[path = "../../../chapters/01-echo/checks/1_ask.rs"]
mod ex1_ask;
#[path = "../../../chapters/01-echo/checks/2_tell.rs"]
mod ex2_tell;
"#;

const STARTER: &str = "\
fn main() {
    // TODO 1.1: ask.
    // END TODO
}
";

const SOLUTION: &str = "\
fn main() {
    // TODO 1.1: ask.
    ask();
    // END TODO
}
";

const CHECK: &str = "fn it_asks() {}\n";

const WRONG: &str = "\
//! Asks twice.
//! fails: it_asks

// TODO 1.1
ask();
ask();
// END TODO
";

/// Every file of the sound course. The second exercise differs from the first in its number alone.
const SOUND: [(&str, &str); 16] = [
    ("Cargo.toml", "[workspace]\n"),
    ("README.md", FRONT),
    ("chapters/01-echo/README.md", README),
    ("chapters/01-echo/Cargo.toml", CARGO),
    ("chapters/01-echo/docker-compose.yml", ""),
    ("chapters/01-echo/src/main.rs", MAIN),
    ("chapters/01-echo/exercises/1_ask.rs", STARTER),
    ("chapters/01-echo/exercises/2_tell.rs", STARTER),
    ("chapters/01-echo/checks/1_ask.rs", CHECK),
    ("chapters/01-echo/checks/2_tell.rs", CHECK),
    ("chapters/01-echo/checks/wrong/1_twice.rs", WRONG),
    ("chapters/01-echo/checks/wrong/2_twice.rs", WRONG),
    ("solutions/01-echo/1_ask.rs", SOLUTION),
    ("solutions/01-echo/2_tell.rs", SOLUTION),
    ("solutions/01-echo/Cargo.toml", SOLUTIONS_CARGO),
    ("solutions/01-echo/tests/checks.rs", CHECKS),
];

fn write(root: &Path, file: &str, text: &str) -> io::Result<()> {
    let path = root.join(file);
    fs::create_dir_all(path.parent().unwrap_or(root))?;
    fs::write(path, text)
}

fn sound() -> io::Result<TempDir> {
    let root = tempfile::tempdir()?;
    for (file, text) in SOUND {
        let second = file.contains("/2_");
        let text = if second {
            text.replace("TODO 1.1", "TODO 1.2")
        } else {
            text.to_owned()
        };
        write(root.path(), file, &text)?;
    }
    let course = Course::at(root.path()).map_err(io::Error::other)?;
    for chapter in &course.chapters {
        published::write_sums(&course, chapter).map_err(io::Error::other)?;
    }
    Ok(root)
}

/// Everything that is tested of a course.
fn findings(root: &Path, strict: bool) -> Vec<String> {
    let course = match Course::at(root) {
        Ok(course) => course,
        Err(finding) => return vec![finding.to_string()],
    };
    let mut findings = anatomy::check_front(&course);
    for page in &course.pages() {
        findings.extend(page::check(page));
        findings.extend(links::check(&course, page));
        findings.extend(sources::check(&course, page));
    }
    for chapter in &course.chapters {
        findings.extend(anatomy::check(&course, chapter));
        findings.extend(published::check(&course, chapter, strict));
        let exercises = chapter.exercises.iter();
        findings.extend(exercises.flat_map(|exercise| regions::check(&course, exercise)));
    }
    findings.iter().map(ToString::to_string).collect()
}

/// A change to one file of the sound course.
enum Flaw {
    /// The text in the middle becomes the one at the right.
    Replace(&'static str, &'static str, &'static str),
    Delete(&'static str),
    Create(&'static str, &'static str),
}
use Flaw::{Create, Delete, Replace};

impl Flaw {
    fn put_into(&self, root: &Path) -> io::Result<()> {
        match *self {
            Delete(file) => fs::remove_file(root.join(file)),
            Create(file, text) => write(root, file, text),
            Replace(file, from, to) => {
                let text = fs::read_to_string(root.join(file))?;
                assert!(text.contains(from), "{file} has no {from:?} to be replaced");
                write(root, file, &text.replacen(from, to, 1))
            }
        }
    }
}

/// Puts each flaw into a sound course of its own and compares all findings with those expected.
fn each(flaws: &[(Flaw, &str)]) -> io::Result<()> {
    for (flaw, expected) in flaws {
        let root = sound()?;
        flaw.put_into(root.path())?;
        assert_eq!(findings(root.path(), false).join("\n"), *expected);
    }
    Ok(())
}

/// The same for flaws that lead to many findings: the first is the one that explains.
fn first(flaws: &[(Flaw, &str)]) -> io::Result<()> {
    for (flaw, expected) in flaws {
        let root = sound()?;
        flaw.put_into(root.path())?;
        let findings = findings(root.path(), false);
        assert_eq!(findings.first().map(String::as_str), Some(*expected));
    }
    Ok(())
}

const PAGE: &str = "chapters/01-echo/README.md";

#[test]
fn a_sound_course_has_no_finding() {
    let root = sound().unwrap();
    assert_eq!(findings(root.path(), true), Vec::<String>::new());
}

#[test]
fn the_opening_names_builds_and_counts() {
    each(&[
        (
            Replace(PAGE, "# 01 Echo", "# Echo"),
            "chapters/01-echo/README.md:1: begin the page with its title: # 01 ...",
        ),
        (
            Replace(PAGE, "You build an echo.\n", ""),
            "chapters/01-echo/README.md:1: say under the title what the reader builds",
        ),
        (
            Replace(PAGE, "35 minutes: 10 to read and run, 25 of exercises (core 25)", "About half an hour."),
            "chapters/01-echo/README.md:1: state the length under the title: 150 minutes: 40 to read and run, 110 of exercises (core 55)",
        ),
        (
            Replace(PAGE, "35 minutes: 10", "30 minutes: 10"),
            "chapters/01-echo/README.md:5: the exercises do not sum up to this; write: 35 minutes: 10 to read and run, 25 of exercises (core 25)",
        ),
        (
            Replace(PAGE, "run, 25 of", "run, 30 of"),
            "chapters/01-echo/README.md:5: the exercises do not sum up to this; write: 35 minutes: 10 to read and run, 25 of exercises (core 25)",
        ),
        (
            Replace(PAGE, "(core 25)", "(core 10)"),
            "chapters/01-echo/README.md:5: the exercises do not sum up to this; write: 35 minutes: 10 to read and run, 25 of exercises (core 25)",
        ),
    ])
    .unwrap();
}

#[test]
fn sections_are_all_there_and_in_order() {
    each(&[
        (
            Replace(PAGE, "## The idea", "## Ideas"),
            "chapters/01-echo/README.md:112: #the-idea: no heading of chapters/01-echo/README.md has the anchor #the-idea\n\
             chapters/01-echo/README.md: there is no section `## The idea`; add it",
        ),
        (
            Replace(PAGE, "## Exercises", "## Tasks"),
            "chapters/01-echo/README.md: there is no section `## Exercises`; add it",
        ),
        (
            Replace(PAGE, "## Check yourself", "## Further reading\n\n## Check yourself"),
            "chapters/01-echo/README.md:91: `## Further reading` stands before `## Instructor notes`; move it below\n\
             chapters/01-echo/README.md:91: no link to Pingora's own documentation; add one to github.com/cloudflare/pingora or docs.rs/pingora",
        ),
    ])
    .unwrap();
}

#[test]
fn sections_hold_what_they_promise() {
    each(&[
        (
            Replace(PAGE, "- ask for one\n", ""),
            "chapters/01-echo/README.md:7: outcomes: 2; list 3 to 5",
        ),
        (
            Replace(PAGE, "- ask for one\n", "- ask for one\n- a\n- b\n- c\n"),
            "chapters/01-echo/README.md:7: outcomes: 6; list 3 to 5",
        ),
        (
            Replace(PAGE, "```mermaid", "```text"),
            "chapters/01-echo/README.md:13: the idea has no diagram; add a ```mermaid block",
        ),
        (
            Replace(PAGE, "**Predict.** What", "What"),
            "chapters/01-echo/README.md:24: nothing to predict; begin a paragraph with **Predict.**",
        ),
        (
            Replace(PAGE, "**Predict.** What comes back?", "```text\n**Predict.** What comes back?\n```"),
            "chapters/01-echo/README.md:24: nothing to predict; begin a paragraph with **Predict.**",
        ),
        (
            Replace(PAGE, "```console", "```text"),
            "chapters/01-echo/README.md:24: nothing to run; add a ```console block",
        ),
        (
            Replace(PAGE, "<!-- from src/main.rs -->\n", ""),
            "chapters/01-echo/README.md:32: the tour shows no code; add a ```rust block under <!-- from src/main.rs -->",
        ),
        (
            Replace(PAGE, "3. Who knows?\n", ""),
            "chapters/01-echo/README.md:91: questions: 2; list at least 3",
        ),
        (
            Replace(PAGE, "2. Who tells?\n", "2. Who tells?\n\n<details><summary>Answer</summary>\n\nMe.\n</details>\n\n"),
            "chapters/01-echo/README.md:93: no folded answer follows this question; add one in <details>",
        ),
        (
            Replace(PAGE, "<details><summary>Notes</summary>", "Notes"),
            "chapters/01-echo/README.md:102: the notes are not folded; put them in <details>",
        ),
        (
            Replace(PAGE, "**Ask:**", "Ask:"),
            "chapters/01-echo/README.md:102: the folded notes have no `**Ask:**`; add it",
        ),
        (
            Replace(PAGE, "**Demo:**", "Demo:"),
            "chapters/01-echo/README.md:102: the folded notes have no `**Demo:**`; add it",
        ),
        (
            Replace(PAGE, "**Pitfall:**", "Pitfall:"),
            "chapters/01-echo/README.md:102: the folded notes have no `**Pitfall:**`; add it",
        ),
        (
            Replace(PAGE, "silence. 5 minutes.", "silence."),
            "chapters/01-echo/README.md:102: the folded notes have no `minutes`; add it",
        ),
        (
            Replace(PAGE, "https://github.com/cloudflare/pingora/", "https://example.com/"),
            "chapters/01-echo/README.md:109: no link to Pingora's own documentation; add one to github.com/cloudflare/pingora or docs.rs/pingora",
        ),
    ])
    .unwrap();
}

#[test]
fn exercises_have_their_parts() {
    each(&[
        (
            Replace(PAGE, "15 minutes · core", "15 minutes · extra"),
            "chapters/01-echo/README.md:5: the exercises do not sum up to this; write: 35 minutes: 10 to read and run, 25 of exercises (core 10)\n\
             chapters/01-echo/README.md:41: core exercises: 1; mark 2 to 4 as core",
        ),
        (
            Replace(PAGE, "### 1.1 Ask", "### Preparation\n\n### 1.1 Ask"),
            "chapters/01-echo/README.md:43: a heading `### 1.1 Title` is an exercise and stands in `## Exercises`; there is no other ### there",
        ),
        (
            Replace(PAGE, "### 1.2 Tell", "## More\n\n### 1.2 Tell"),
            "chapters/01-echo/README.md:69: a heading `### 1.1 Title` is an exercise and stands in `## Exercises`; there is no other ### there",
        ),
        (
            Replace(PAGE, "10 minutes · core · edit", "10 minutes, core, edit"),
            "chapters/01-echo/README.md:5: the exercises do not sum up to this; write: 35 minutes: 10 to read and run, 25 of exercises (core 15)\n\
             chapters/01-echo/README.md:41: core exercises: 1; mark 2 to 4 as core\n\
             chapters/01-echo/README.md:43: under the heading of exercise 1.1 write a line of this form: 20 minutes · core · edit `exercises/1_name.rs`",
        ),
        (
            Replace(PAGE, "10 minutes · core", "10 minutes · optional"),
            "chapters/01-echo/README.md:5: the exercises do not sum up to this; write: 35 minutes: 10 to read and run, 25 of exercises (core 15)\n\
             chapters/01-echo/README.md:41: core exercises: 1; mark 2 to 4 as core\n\
             chapters/01-echo/README.md:43: under the heading of exercise 1.1 write a line of this form: 20 minutes · core · edit `exercises/1_name.rs`",
        ),
        (
            Replace(PAGE, "Who asks, hears.\n\n", ""),
            "chapters/01-echo/README.md:43: exercise 1.1 does not say why; say it under the minutes",
        ),
        (
            Replace(PAGE, "- It asks.\n", "It asks.\n"),
            "chapters/01-echo/README.md:43: exercise 1.1 names no behaviour; list it under `Make this true:`",
        ),
        (
            Replace(PAGE, "Make this true:\n- It asks", "Do this:\n- It asks"),
            "chapters/01-echo/README.md:43: exercise 1.1 names no behaviour; list it under `Make this true:`",
        ),
        (
            Replace(PAGE, "<details><summary>Hint 3: nearly all of it</summary>\n\n`ask()`\n</details>\n", ""),
            "chapters/01-echo/README.md:43: exercise 1.1 has 2 hints; write three, each in <details><summary>Hint N: ...</summary>",
        ),
        (
            Replace(PAGE, "Hint 2: with what", "Hint 3: with what"),
            "chapters/01-echo/README.md:56: this is `Hint 2: ...`; number the hints from 1 and name each",
        ),
        (
            Replace(PAGE, "Hint 2: with what", "Hint 2"),
            "chapters/01-echo/README.md:43: exercise 1.1 has 2 hints; write three, each in <details><summary>Hint N: ...</summary>\n\
             chapters/01-echo/README.md:56: this is `Hint 2: ...`; number the hints from 1 and name each",
        ),
        (
            Replace(PAGE, "\n`ask()`\n", ""),
            "chapters/01-echo/README.md:60: hint 3 of exercise 1.1 is empty; write it",
        ),
        (
            Replace(PAGE, "**What passing does not prove.** That anyone listens.\n", ""),
            "chapters/01-echo/README.md:43: exercise 1.1 does not say what passing leaves open; end it with a paragraph **What passing does not prove.**",
        ),
    ])
    .unwrap();
}

#[test]
fn the_first_finding_names_a_wrong_number() {
    first(&[
        (
            Replace(PAGE, "### 1.2 Tell", "### 1.3 Tell"),
            "chapters/01-echo/README.md:67: exercise 1.3 stands where 1.2 is due; number them in order",
        ),
        (
            Replace(PAGE, "`exercises/1_ask.rs`", "`exercises/ask.rs`"),
            "chapters/01-echo/README.md:43: under the heading of exercise 1.1 write a line of this form: 20 minutes · core · edit `exercises/1_name.rs`",
        ),
    ])
    .unwrap();
}

#[test]
fn exercises_are_short() {
    each(&[
        (
            Replace(PAGE, "10 minutes · core", "0 minutes · core"),
            "chapters/01-echo/README.md:5: the exercises do not sum up to this; write: 25 minutes: 10 to read and run, 15 of exercises (core 15)\n\
             chapters/01-echo/README.md:43: under the heading of exercise 1.1 write a line of this form: 20 minutes · core · edit `exercises/1_name.rs`",
        ),
        (
            Replace(PAGE, "10 minutes · core", "x minutes · core"),
            "chapters/01-echo/README.md:5: the exercises do not sum up to this; write: 25 minutes: 10 to read and run, 15 of exercises (core 15)\n\
             chapters/01-echo/README.md:43: under the heading of exercise 1.1 write a line of this form: 20 minutes · core · edit `exercises/1_name.rs`",
        ),
        (
            Replace(PAGE, "10 minutes · core", "9 minutes · core"),
            "chapters/01-echo/README.md:5: the exercises do not sum up to this; write: 34 minutes: 10 to read and run, 24 of exercises (core 24)\n\
             chapters/01-echo/README.md:43: exercise 1.1 takes 9 minutes; cut it to 10 to 25",
        ),
        (
            Replace(PAGE, "15 minutes · core", "26 minutes · core"),
            "chapters/01-echo/README.md:5: the exercises do not sum up to this; write: 46 minutes: 10 to read and run, 36 of exercises (core 36)\n\
             chapters/01-echo/README.md:67: exercise 1.2 takes 26 minutes; cut it to 10 to 25",
        ),
    ])
    .unwrap();
}

#[test]
fn blocks_have_the_form_that_is_executed() {
    each(&[
        (
            Replace(PAGE, "$ cargo run\n", "cargo run\n"),
            "chapters/01-echo/README.md:28: begin a console block with a command, `$ ` before it, or name its terminal: ```console proxy",
        ),
        (
            Replace(PAGE, "```console", "<!-- not run: -->\n```console"),
            "chapters/01-echo/README.md:29: say why the block is not run: <!-- not run: reason -->",
        ),
        (
            Replace(PAGE, "```console\n$ cargo run", "```bash\ncargo run"),
            "chapters/01-echo/README.md:28: a ```bash block is never executed; make it ```console, with `$ ` before each command\n\
             chapters/01-echo/README.md:24: nothing to run; add a ```console block",
        ),
        (
            Replace(PAGE, "The diagram in words", "In words"),
            "chapters/01-echo/README.md:15: the diagram has no text alternative; add <details><summary>The diagram in words</summary> below it",
        ),
        (
            Replace(PAGE, "A box.\n</details>", "A box."),
            "chapters/01-echo/README.md:19: <details> is not closed; add </details> on a line of its own\n\
             chapters/01-echo/README.md:90: questions: 0; list at least 3",
        ),
        (
            Replace(PAGE, "<details><summary>Answers</summary>", "<details>"),
            "chapters/01-echo/README.md:97: <details> has no summary; write <details><summary>...</summary>",
        ),
        (
            Replace(PAGE, "<summary>Answers</summary>\n", "<summary>Answers</summary>"),
            "chapters/01-echo/README.md:97: GitHub takes what follows </summary> for HTML; leave an empty line before it",
        ),
    ])
    .unwrap();
}

#[test]
fn links_lead_somewhere() {
    each(&[
        (
            Replace(PAGE, "(#the-idea)", "(#the-ideas)"),
            "chapters/01-echo/README.md:112: #the-ideas: no heading of chapters/01-echo/README.md has the anchor #the-ideas",
        ),
        (
            Replace(PAGE, "(#the-idea)", "(#the-idea-1)"),
            "chapters/01-echo/README.md:112: #the-idea-1: no heading of chapters/01-echo/README.md has the anchor #the-idea-1",
        ),
        (
            Replace(PAGE, "(#the-idea)", "(../02-none/)"),
            "chapters/01-echo/README.md:112: ../02-none/ leads to chapters/02-none, which does not exist; correct the path",
        ),
        (
            Replace(PAGE, "(#the-idea)", "(../../../elsewhere.md)"),
            "chapters/01-echo/README.md:112: ../../../elsewhere.md leads out of the repository; link to a file inside, relative to this page",
        ),
        (
            Replace(PAGE, "(#the-idea)", "(/chapters)"),
            "chapters/01-echo/README.md:112: /chapters leads out of the repository; link to a file inside, relative to this page",
        ),
        (
            Replace(PAGE, "(#the-idea)", "(src/main.rs#L2)"),
            "chapters/01-echo/README.md:112: src/main.rs#L2: lines of a file move; link to the file as a whole",
        ),
        (
            Replace(PAGE, "(#the-idea)", "(https:/docs.rs)"),
            "chapters/01-echo/README.md:112: https:/docs.rs is neither a relative path nor an address of the form https://host/path",
        ),
        (
            Replace(PAGE, "(#the-idea)", "(ftp://docs.rs)"),
            "chapters/01-echo/README.md:112: ftp://docs.rs is neither a relative path nor an address of the form https://host/path",
        ),
        (
            Replace(PAGE, "README.md#a-course", "README.md#the-course"),
            "chapters/01-echo/README.md:112: ../../README.md#the-course: no heading of README.md has the anchor #the-course",
        ),
        (
            Replace("README.md", "[Echo](chapters/01-echo/)", "Echo"),
            "README.md: no link to chapters/01-echo; add one to the map of chapters",
        ),
        (
            Create("lab/README.md", "[away](away.md)\n"),
            "lab/README.md:1: away.md leads to lab/away.md, which does not exist; correct the path",
        ),
    ])
    .unwrap();
}

#[test]
fn code_shown_stands_in_its_file() {
    each(&[
        (
            Replace(PAGE, "let asked = ask();", "let asked = answer();"),
            "chapters/01-echo/README.md:36: `let asked = answer();` is not what src/main.rs has here; copy the passage again",
        ),
        (
            Replace(PAGE, "tell(asked);", "tell(silence);"),
            "chapters/01-echo/README.md:38: `tell(silence);` is not what src/main.rs has here; copy the passage again",
        ),
        (
            Replace(PAGE, "// ...\n", ""),
            "chapters/01-echo/README.md:37: `tell(asked);` is not what src/main.rs has here; copy the passage again",
        ),
        (
            Replace(PAGE, "tell(asked);", "    tell(asked);"),
            "chapters/01-echo/README.md:38: `tell(asked);` is not what src/main.rs has here; copy the passage again",
        ),
        (
            Replace(PAGE, "let asked = ask();\n// ...\ntell(asked);", "tell(asked);\n// ...\nlet asked = ask();"),
            "chapters/01-echo/README.md:38: `let asked = ask();` is not what src/main.rs has here; copy the passage again",
        ),
        (
            Replace(PAGE, "from src/main.rs", "from src/echo.rs"),
            "chapters/01-echo/README.md:35: src/echo.rs cannot be read; name a file relative to this page's folder",
        ),
    ])
    .unwrap();
}

#[test]
fn files_and_exercises_correspond() {
    each(&[
        (
            Delete(PAGE),
            "chapters/01-echo/README.md: is missing; a chapter is its README\n\
             chapters/01-echo/exercises/SHA256SUMS:1: 1_ask.rs belongs to no exercise; run `cargo course sums`\n\
             chapters/01-echo/exercises/SHA256SUMS:2: 2_tell.rs belongs to no exercise; run `cargo course sums`",
        ),
        (
            Delete("README.md"),
            "README.md: is missing; write the course's front page\n\
             chapters/01-echo/README.md:112: ../../README.md#a-course leads to README.md, which does not exist; correct the path",
        ),
        (
            Delete("chapters/01-echo/exercises/1_ask.rs"),
            "chapters/01-echo/exercises/1_ask.rs: is missing; exercise 1.1 needs it\n\
             chapters/01-echo/exercises/1_ask.rs: cannot be read: No such file or directory (os error 2)",
        ),
        (
            Delete("chapters/01-echo/checks/1_ask.rs"),
            "chapters/01-echo/checks/1_ask.rs: is missing; exercise 1.1 needs it\n\
             chapters/01-echo/checks/1_ask.rs: cannot be read: No such file or directory (os error 2)",
        ),
        (
            Delete("solutions/01-echo/1_ask.rs"),
            "solutions/01-echo/1_ask.rs: is missing; exercise 1.1 needs it\n\
             solutions/01-echo/1_ask.rs: cannot be read: No such file or directory (os error 2)",
        ),
        (
            Delete("chapters/01-echo/checks/wrong/1_twice.rs"),
            "chapters/01-echo/checks/wrong: exercise 1.1 has no wrong answer that must fail; add 1_what.rs",
        ),
        (
            Create("chapters/01-echo/exercises/3_sing.rs", "fn main() {}\n"),
            "chapters/01-echo/exercises/3_sing.rs: belongs to no exercise of the README; add the exercise or delete the file",
        ),
        (
            Create("chapters/01-echo/checks/ask.rs", ""),
            "chapters/01-echo/checks/ask.rs: belongs to no exercise of the README; add the exercise or delete the file",
        ),
        (
            Create("chapters/01-echo/checks/wrong/3_sings.rs", ""),
            "chapters/01-echo/checks/wrong/3_sings.rs: belongs to no exercise of the README; add the exercise or delete the file",
        ),
        (
            Create("solutions/01-echo/3_sing.rs", ""),
            "solutions/01-echo/3_sing.rs: belongs to no exercise of the README; add the exercise or delete the file",
        ),
        (
            Delete("chapters/01-echo/docker-compose.yml"),
            "chapters/01-echo/docker-compose.yml: is missing; every chapter has one",
        ),
        (
            Delete("chapters/01-echo/src/main.rs"),
            "chapters/01-echo/README.md:35: src/main.rs cannot be read; name a file relative to this page's folder\n\
             chapters/01-echo/src/main.rs: is missing; every chapter has one",
        ),
        (
            Create("chapters/echo/README.md", ""),
            "chapters/echo: a chapter's folder is named NN-name, as in 02-first-proxy",
        ),
        (
            Create("chapters/2-echo/README.md", ""),
            "chapters/2-echo: a chapter's folder is named NN-name, as in 02-first-proxy",
        ),
        (
            Create("chapters/02-/README.md", ""),
            "chapters/02-: a chapter's folder is named NN-name, as in 02-first-proxy",
        ),
        (
            Create("solutions/02-sing/1_la.rs", ""),
            "solutions/02-sing: belongs to no chapter; there is no chapters/02-sing",
        ),
    ])
    .unwrap();
}

#[test]
fn manifests_declare_every_binary() {
    each(&[
        (
            Delete("chapters/01-echo/Cargo.toml"),
            "chapters/01-echo/Cargo.toml: cannot be read: No such file or directory (os error 2)",
        ),
        (
            Replace("chapters/01-echo/Cargo.toml", "[package]\nname = \"ch01-echo\"", "[package]\nname = \"echo\""),
            r#"chapters/01-echo/Cargo.toml: name the package "ch01-echo", after its folder"#,
        ),
        (
            Replace("chapters/01-echo/Cargo.toml", "default-run = \"ch01-echo\"\n", ""),
            r#"chapters/01-echo/Cargo.toml: `cargo run` does not know what to run; set default-run = "ch01-echo""#,
        ),
        (
            Replace("chapters/01-echo/Cargo.toml", "ex1-2", "ex1-3"),
            r#"chapters/01-echo/Cargo.toml: exercise 1.2 has no binary; add [[bin]] name = "ex1-2", path = "exercises/2_tell.rs", test = false, bench = false, doc = false"#,
        ),
        (
            Replace("chapters/01-echo/Cargo.toml", "exercises/2_tell.rs", "exercises/1_ask.rs"),
            r#"chapters/01-echo/Cargo.toml:12: the binary of exercise 1.2 differs from its form; write [[bin]] name = "ex1-2", path = "exercises/2_tell.rs", test = false, bench = false, doc = false"#,
        ),
        (
            Replace("chapters/01-echo/Cargo.toml", "test = false\n", ""),
            r#"chapters/01-echo/Cargo.toml:5: the binary of exercise 1.1 differs from its form; write [[bin]] name = "ex1-1", path = "exercises/1_ask.rs", test = false, bench = false, doc = false"#,
        ),
        (
            Replace("chapters/01-echo/Cargo.toml", "bench = false\n", "bench = true\n"),
            r#"chapters/01-echo/Cargo.toml:5: the binary of exercise 1.1 differs from its form; write [[bin]] name = "ex1-1", path = "exercises/1_ask.rs", test = false, bench = false, doc = false"#,
        ),
        (
            Replace("chapters/01-echo/Cargo.toml", "doc = false\n", ""),
            r#"chapters/01-echo/Cargo.toml:5: the binary of exercise 1.1 differs from its form; write [[bin]] name = "ex1-1", path = "exercises/1_ask.rs", test = false, bench = false, doc = false"#,
        ),
        (
            Replace("chapters/01-echo/Cargo.toml", "[[bin]]", "[[bin]"),
            "chapters/01-echo/Cargo.toml:5: unclosed array table, expected `]`",
        ),
        (
            Delete("solutions/01-echo/Cargo.toml"),
            "solutions/01-echo/Cargo.toml: cannot be read: No such file or directory (os error 2)",
        ),
        (
            Replace("solutions/01-echo/Cargo.toml", "solutions01-echo", "solutions"),
            r#"solutions/01-echo/Cargo.toml: name the package "solutions01-echo", after its folder"#,
        ),
        (
            Replace("solutions/01-echo/Cargo.toml", "default = [\"bins\"]\n", ""),
            r#"solutions/01-echo/Cargo.toml: `cargo test` would not build the solutions; set default = ["bins"] and bins = [] in [features]"#,
        ),
        (
            Replace("solutions/01-echo/Cargo.toml", "solution1-1", "solution1-9"),
            r#"solutions/01-echo/Cargo.toml: exercise 1.1 has no binary; add [[bin]] name = "solution1-1", path = "1_ask.rs", required-features = ["bins"], test = false, bench = false, doc = false"#,
        ),
        (
            Replace("solutions/01-echo/Cargo.toml", "required-features = [\"bins\"]\n", ""),
            r#"solutions/01-echo/Cargo.toml:8: the binary of exercise 1.1 differs from its form; write [[bin]] name = "solution1-1", path = "1_ask.rs", required-features = ["bins"], test = false, bench = false, doc = false"#,
        ),
        (
            Replace("solutions/01-echo/Cargo.toml", r#"wrong1""#, r#"wrong2""#),
            r#"solutions/01-echo/Cargo.toml: the wrong answers are not built; add [[bin]] name = "wrong1", path = "../wrong.rs""#,
        ),
        (
            Delete("solutions/01-echo/tests/checks.rs"),
            "solutions/01-echo/tests/checks.rs: cannot be read: No such file or directory (os error 2)",
        ),
        (
            Replace("solutions/01-echo/tests/checks.rs", "2_tell.rs", "1_ask.rs"),
            r#"solutions/01-echo/tests/checks.rs: a check is not run; add #[path = "../../../chapters/01-echo/checks/2_tell.rs"] and a `mod` for it"#,
        ),
    ])
    .unwrap();
}

#[test]
fn sums_name_every_starter() {
    each(&[
        (
            Delete("chapters/01-echo/exercises/SHA256SUMS"),
            "chapters/01-echo/exercises/SHA256SUMS: is missing; run `cargo course sums`",
        ),
        (
            Replace("chapters/01-echo/exercises/SHA256SUMS", "1_ask.rs", "1_old.rs"),
            "chapters/01-echo/exercises/SHA256SUMS:1: 1_old.rs belongs to no exercise; run `cargo course sums`\n\
             chapters/01-echo/exercises/SHA256SUMS: 1_ask.rs is not listed; run `cargo course sums`",
        ),
        (
            Replace("chapters/01-echo/exercises/SHA256SUMS", "  1_ask.rs", " 1_ask.rs"),
            "chapters/01-echo/exercises/SHA256SUMS:1: not a line of sha256sum; run `cargo course sums`\n\
             chapters/01-echo/exercises/SHA256SUMS: 1_ask.rs is not listed; run `cargo course sums`",
        ),
        (
            Replace("chapters/01-echo/exercises/SHA256SUMS", "  1_ask.rs", "0  1_ask.rs"),
            "chapters/01-echo/exercises/SHA256SUMS:1: not a line of sha256sum; run `cargo course sums`\n\
             chapters/01-echo/exercises/SHA256SUMS: 1_ask.rs is not listed; run `cargo course sums`",
        ),
    ])
    .unwrap();
}

#[test]
fn starter_and_solution_agree_outside_of_regions() {
    each(&[
        (
            Replace("solutions/01-echo/1_ask.rs", "fn main() {", "fn main()  {"),
            "chapters/01-echo/exercises/1_ask.rs:1: `fn main() {` here, `fn main()  {` in solutions/01-echo/1_ask.rs:1; make them equal, or put the line into a region",
        ),
        (
            Replace("solutions/01-echo/1_ask.rs", "    // END TODO\n", "    // END TODO\n    done();\n"),
            "chapters/01-echo/exercises/1_ask.rs:4: `}` here, `done();` in solutions/01-echo/1_ask.rs:5; make them equal, or put the line into a region",
        ),
        (
            Replace("solutions/01-echo/1_ask.rs", "    // END TODO\n}\n", "    // END TODO\n"),
            "chapters/01-echo/exercises/1_ask.rs:4: `}` here, a region or the end of the file in solutions/01-echo/1_ask.rs:5; make them equal, or put the line into a region",
        ),
        (
            Replace("solutions/01-echo/1_ask.rs", "    // TODO 1.1: ask.\n    ask();\n    // END TODO\n", "    ask();\n"),
            "solutions/01-echo/1_ask.rs: no region; put what the learner writes between // TODO 1.1: ... and // END TODO",
        ),
        (
            Replace("solutions/01-echo/1_ask.rs", "    // END TODO\n", "    // END TODO\n    // TODO 1.1\n    // END TODO\n"),
            "chapters/01-echo/exercises/1_ask.rs: regions: 1 here, 2 in solutions/01-echo/1_ask.rs; give both the same, in the same order\n\
             chapters/01-echo/checks/wrong/1_twice.rs: regions: 1 here, 2 in the solution; write each, with the body `// as in the solution` where it is right",
        ),
        (
            Replace("solutions/01-echo/1_ask.rs", "TODO 1.1", "TODO 1.2"),
            "solutions/01-echo/1_ask.rs:2: a region of 1.2 in exercise 1.1; begin it with // TODO 1.1",
        ),
        (
            Replace("solutions/01-echo/1_ask.rs", "    // END TODO\n", ""),
            "solutions/01-echo/1_ask.rs:2: this region is not closed; end it with // END TODO",
        ),
        (
            Replace("solutions/01-echo/1_ask.rs", "    ask();\n", "    // TODO 1.1: twice\n"),
            "solutions/01-echo/1_ask.rs:3: a region inside the one of line 2; close that first with // END TODO",
        ),
        (
            Replace("solutions/01-echo/1_ask.rs", "    // TODO 1.1: ask.\n", ""),
            "solutions/01-echo/1_ask.rs:3: // END TODO without // TODO; delete it",
        ),
        (
            Replace("chapters/01-echo/exercises/1_ask.rs", "    // TODO 1.1: ask.\n    // END TODO\n", ""),
            "chapters/01-echo/exercises/1_ask.rs: no region; put what the learner writes between // TODO 1.1: ... and // END TODO",
        ),
        (
            Replace("chapters/01-echo/exercises/1_ask.rs", "    // TODO 1.1: ask.\n", "    // TODO 1.1: ask.\n    // TODO 1.1: and again.\n"),
            "chapters/01-echo/exercises/1_ask.rs:3: a region inside the one of line 2; close that first with // END TODO",
        ),
    ])
    .unwrap();
}

#[test]
fn wrong_answers_fit_their_solution() {
    each(&[
        (
            Replace("chapters/01-echo/checks/wrong/1_twice.rs", "//! Asks twice.\n", ""),
            "chapters/01-echo/checks/wrong/1_twice.rs: say in a //! line what the mistake is",
        ),
        (
            Replace("chapters/01-echo/checks/wrong/1_twice.rs", "//! fails: it_asks\n", ""),
            "chapters/01-echo/checks/wrong/1_twice.rs: add a line `//! fails: name` that names a test which must fail",
        ),
        (
            Replace("chapters/01-echo/checks/wrong/1_twice.rs", "fails: it_asks", "fails: it_asks, it_sings"),
            "chapters/01-echo/checks/wrong/1_twice.rs: chapters/01-echo/checks/1_ask.rs has no test it_sings; name one of its tests after //! fails:",
        ),
        (
            Replace("chapters/01-echo/checks/wrong/1_twice.rs", "// TODO 1.1", "// TODO 1.2"),
            "chapters/01-echo/checks/wrong/1_twice.rs:4: a region of 1.2 in exercise 1.1; begin it with // TODO 1.1",
        ),
        (
            Replace("chapters/01-echo/checks/wrong/1_twice.rs", "// END TODO\n", "// END TODO\n// TODO 1.1\n// END TODO\n"),
            "chapters/01-echo/checks/wrong/1_twice.rs: regions: 2 here, 1 in the solution; write each, with the body `// as in the solution` where it is right",
        ),
        (
            Replace("chapters/01-echo/checks/wrong/1_twice.rs", "ask();\nask();\n", "// as in the solution\n"),
            "chapters/01-echo/checks/wrong/1_twice.rs: no region differs from the solution; write the mistake in one",
        ),
        (
            Replace("chapters/01-echo/checks/wrong/1_twice.rs", "// END TODO\n", ""),
            "chapters/01-echo/checks/wrong/1_twice.rs:4: this region is not closed; end it with // END TODO",
        ),
        (
            Replace("chapters/01-echo/checks/wrong/1_twice.rs", "// TODO 1.1", "use ask;\n// TODO 1.1"),
            "chapters/01-echo/checks/wrong/1_twice.rs: `use ask;` stands outside of the regions, where only //! lines may",
        ),
    ])
    .unwrap();
}

#[test]
fn what_is_right_in_another_way_has_no_finding() {
    let sound_as_well = [
        Replace(
            PAGE,
            "```console",
            "<!-- not run: it never ends -->\n```console",
        ),
        Replace(
            PAGE,
            "```console\n$ cargo run",
            "```text\nx\n```\n\n```console\n$ cargo run",
        ),
        Replace(
            PAGE,
            "```console\n$ cargo run\n```",
            "```console\n$ cargo run\n```\n\n```console proxy\nready\n```",
        ),
        Replace(PAGE, "```mermaid", "```text\nx\n```\n\n```mermaid"),
        Replace(PAGE, "(#the-idea)", "(https://docs.rs/pingora)"),
        Replace(PAGE, "(#the-idea)", "(../01-echo/#the-idea)"),
        Replace(PAGE, "(#the-idea)", "(src/main.rs)"),
        Replace(
            PAGE,
            "## Check yourself",
            "## Your own project\n\n## Check yourself",
        ),
        Replace(PAGE, "let asked = ask();\n// ...\n", ""),
        Replace(
            PAGE,
            "let asked = ask();\n// ...\ntell(asked);",
            "    let asked = ask();\n    let silence = ();\n// ...\n}",
        ),
        Replace(
            PAGE,
            "let asked = ask();\n// ...\ntell(asked);",
            "  let asked = ask();\n// ...\n  tell(asked);",
        ),
        Replace(
            PAGE,
            "2. Who tells?\n3. Who knows?\n\n<details><summary>Answers</summary>\n\n1. You.\n</details>\n",
            "   <details><summary>Answer</summary>\n\n   You.\n   </details>\n2. Who tells?\n\n   <details><summary>Answer</summary>\n\n   You.\n   </details>\n3. Who knows?\n\n   <details><summary>Answer</summary>\n\n   You.\n   </details>\n",
        ),
        Replace(
            "chapters/01-echo/exercises/1_ask.rs",
            "TODO 1.1: ask.",
            "TODO 1.1: what is asked?",
        ),
        Replace(
            "README.md",
            "chapters/01-echo/",
            "chapters/01-echo/README.md",
        ),
        Create("chapters/01-echo/exercises/parts/ask.rs", ""),
        Create(
            "chapters/01-echo/checks/wrong/1_again.rs",
            "//! Asks never.\n//! fails: it_asks\n\n// TODO 1.1\n// END TODO\n",
        ),
        Create("chapters/NOTES.md", "[Echo](01-echo)\n"),
        Create("target/README.md", "[away](away.md)\n"),
        Create(".git/README.md", "[away](away.md)\n"),
        Replace(PAGE, "### 1.1 Ask\n\n", "### 1.1 Ask\n"),
        Replace(
            PAGE,
            "<!-- from src/main.rs -->\n```rust\nlet",
            "```rust\nlet other = 1;\n```\n\n<!-- from src/main.rs -->\n```rust\nlet",
        ),
    ];
    for change in sound_as_well {
        let root = sound().unwrap();
        change.put_into(root.path()).unwrap();
        assert_eq!(findings(root.path(), false), Vec::<String>::new());
    }
}

#[test]
fn a_changed_starter_is_the_learners_except_in_ci() {
    let root = sound().unwrap();
    Replace("chapters/01-echo/exercises/1_ask.rs", "ask.", "ask!")
        .put_into(root.path())
        .unwrap();
    let course = Course::at(root.path()).unwrap();
    let (chapter, ask) = course.exercise("1.1").unwrap();
    let (_, tell) = course.exercise("1.2").unwrap();

    assert_eq!(published::state(&course, chapter, ask), State::Changed);
    assert_eq!(published::state(&course, chapter, tell), State::Published);
    assert_eq!(findings(root.path(), false), Vec::<String>::new());
    assert_eq!(
        findings(root.path(), true),
        [
            "chapters/01-echo/exercises/1_ask.rs: differs from what was published; undo the change or, if it is meant, run `cargo course sums`"
        ]
    );

    published::write_sums(&course, chapter).unwrap();
    assert_eq!(published::state(&course, chapter, ask), State::Published);
}

#[test]
fn an_exercise_is_read_from_the_readme() {
    let root = sound().unwrap();
    let more = Replace(
        PAGE,
        "That anyone listens.",
        "That anyone\nlistens.\n\nMore.",
    );
    more.put_into(root.path()).unwrap();
    let course = Course::at(root.path()).unwrap();
    let (chapter, ask) = course.exercise("01.1").unwrap();
    assert_eq!(
        (chapter.title.as_str(), chapter.package.as_str()),
        ("Echo", "ch01-echo")
    );
    assert_eq!(chapter.solutions_package, "solutions01-echo");
    assert_eq!(
        (ask.heading().as_str(), ask.minutes, ask.core),
        ("1.1 Ask", 10, true)
    );
    assert_eq!(ask.behaviour, ["It asks."]);
    assert_eq!(ask.hints[1].title, "with what");
    assert_eq!(ask.hints[2].text, "`ask()`");
    assert_eq!(ask.not_proved, "That anyone listens.");
    assert_eq!(
        (ask.starter_binary.as_str(), ask.solution_binary.as_str()),
        ("ex1-1", "solution1-1")
    );
}

#[test]
fn a_wrong_name_is_answered_with_what_there_is() {
    let root = sound().unwrap();
    fs::create_dir_all(root.path().join("chapters/02-one")).unwrap();
    fs::create_dir_all(root.path().join("chapters/02-other")).unwrap();
    let course = Course::at(root.path()).unwrap();
    let chapter = |name| course.chapter(name).unwrap_err();
    let exercise = |number| course.exercise(number).unwrap_err();

    assert_eq!(
        chapter("3"),
        "there is no chapter 3; there are:\n  01-echo\n  02-one\n  02-other"
    );
    assert_eq!(
        chapter("2"),
        "2 is ambiguous; say which:\n  02-one\n  02-other"
    );
    assert_eq!(
        exercise("1.3"),
        "there is no exercise 1.3; chapter 01-echo has:\n  1.1 Ask\n  1.2 Tell"
    );
    assert_eq!(
        exercise("02-one.1"),
        "there is no exercise 02-one.1; chapter 02-one has: none"
    );
    assert_eq!(
        exercise("ask"),
        "an exercise is named by chapter and number, as in 2.1, not \"ask\""
    );
    assert_eq!(course.chapter("02-other").unwrap().number, 2);
}

#[test]
fn a_course_is_found_from_any_folder_in_it() {
    let root = sound().unwrap();
    let course = Course::around(&root.path().join("chapters/01-echo/src")).unwrap();
    assert_eq!(course.root, root.path());

    fs::write(root.path().join("Cargo.toml"), "[package]\n").unwrap();
    let error = Course::around(root.path()).unwrap_err();
    let advice =
        "this folder is not inside the course; change to where you cloned it and try again";
    assert_eq!(
        error.to_string(),
        format!("{}: {advice}", root.path().display())
    );
}
