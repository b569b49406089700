//! What a console block asks for, step by step.

use std::path::{Path, PathBuf};

use crate::finding::Finding;
use crate::readme::Block;

/// Lines that start like this are for the reader alone: they fetch the course, run all of it, or need containers.
const READERS_OWN: [&str; 4] = ["git clone", "cargo test", "cargo course demo", "docker"];

/// Where a chapter's program listens unless told otherwise.
const LISTEN: &str = "127.0.0.1:6188";

/// Where the first of the echo servers listens unless told otherwise.
const FIRST_ECHO: &str = "127.0.0.1:8081";

/// One thing to do, and the lines that the page shows for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The line of the page, counted from 1.
    pub line: usize,
    /// As the page has it, without `$ `; a continued one keeps its line breaks.
    pub command: String,
    pub action: Action,
    /// Expected output, with `...` and `[..]` as the page writes them.
    pub shown: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A command that ends by itself.
    Run,
    /// `cargo run`: stays up until it is stopped, replaced, or the page ends.
    Serve(Server),
    /// `cd` alone on its line.
    Enter(PathBuf),
    /// `^C`.
    Stop,
    /// Nothing to do: the program that runs in this terminal has printed more.
    Watch,
    /// For the reader alone; never run from within.
    Leave,
}

/// What a `cargo run` starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where it listens, in the page's ports.
    pub address: String,
    /// It stays beside what listens there instead of replacing it: with `-u` it takes the port over, and with a URL it is
    /// a client.
    pub joins: bool,
}

/// The steps of a block, in order.
///
/// # Errors
/// If a continued command does not go on.
pub fn steps(page: &Path, block: &Block) -> Result<Vec<Step>, Finding> {
    // Lines before the first command belong to the program that runs already.
    let mut steps = vec![Step::new(block.line + 1, String::new(), Action::Watch)];
    let mut lines = (block.line + 1..).zip(block.text.lines());
    while let Some((line, text)) = lines.next() {
        if let Some(first) = text.strip_prefix("$ ") {
            let rest = lines.by_ref().map(|(_, text)| text);
            let missing = "a line after '\\' must begin with '> '";
            let command =
                whole_command(first, rest).ok_or_else(|| Finding::new(page, line, missing))?;
            let action = action(&command, steps.last());
            steps.push(Step::new(line, command, action));
        } else if let Some(step) = steps.last_mut() {
            step.shown.push(text.to_owned());
        }
    }
    for step in &mut steps {
        drop_blank_end(&mut step.shown);
    }
    steps.retain(|step| step.action != Action::Watch || !step.shown.is_empty());
    Ok(steps)
}

impl Step {
    fn new(line: usize, command: String, action: Action) -> Self {
        Self {
            line,
            command,
            action,
            shown: Vec::new(),
        }
    }
}

/// `first` and, as long as a line ends with a backslash, the next of `lines`; none if that is no continuation.
fn whole_command<'a>(first: &str, mut lines: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut command = first.trim_end().to_owned();
    while command.ends_with('\\') {
        command.push('\n');
        command.push_str(lines.next()?.strip_prefix("> ")?.trim_end());
    }
    Some(command)
}

fn action(command: &str, before: Option<&Step>) -> Action {
    let for_reader = |line: &str| READERS_OWN.iter().any(|own| starts_with_words(line, own));
    let folder = command.strip_prefix("cd ").map(str::trim);
    let folder = folder.filter(|rest| !rest.contains(char::is_whitespace));
    match folder {
        // The folder that the clone would have made: this is it already.
        Some(_) if before.is_some_and(|step| starts_with_words(&step.command, "git clone")) => {
            Action::Leave
        }
        Some(folder) => Action::Enter(PathBuf::from(folder)),
        None if command == "^C" => Action::Stop,
        None if for_reader(command) => Action::Leave,
        None => command
            .split("&&")
            .find_map(Server::of)
            .map_or(Action::Run, Action::Serve),
    }
}

impl Server {
    /// What a part of a shell line starts if it is `cargo run`, assignments before it aside.
    fn of(part: &str) -> Option<Self> {
        let words: Vec<&str> = part
            .split_whitespace()
            .filter(|word| *word != "\\")
            .collect();
        let assigned = words.iter().take_while(|word| is_assignment(word)).count();
        let (assignments, call) = words.split_at_checked(assigned)?;
        let arguments = call.strip_prefix(&["cargo", "run"])?;
        let setting = |name: &str| assignments.iter().find_map(|word| word.strip_prefix(name));
        let echo = ["-p", "--package"]
            .iter()
            .any(|option| value_of(option, arguments) == Some("upstreams"));
        let address = if echo {
            let port = setting("ECHO_PORTS=").and_then(|ports| ports.split(',').next());
            let port = port.map(|port| format!("127.0.0.1:{port}"));
            value_of("--listen", arguments)
                .map(str::to_owned)
                .or(port)
                .unwrap_or_else(|| FIRST_ECHO.to_owned())
        } else {
            setting("LISTEN=").unwrap_or(LISTEN).to_owned()
        };
        let own = arguments.iter().skip_while(|word| **word != "--");
        let joins = own.into_iter().any(|word| {
            let url = word.trim_matches(['"', '\'']);
            ["-u", "--upgrade"].contains(word)
                || url.starts_with("http://")
                || url.starts_with("https://")
        });
        Some(Self {
            address: address.trim_matches(['"', '\'']).to_owned(),
            joins,
        })
    }
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

fn value_of<'a>(option: &str, words: &[&'a str]) -> Option<&'a str> {
    let at = words.iter().position(|word| *word == option)?;
    words.get(at + 1).copied()
}

fn starts_with_words(line: &str, words: &str) -> bool {
    line.strip_prefix(words)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '-']))
}

/// A blank line before the next command is there for the eye.
fn drop_blank_end(lines: &mut Vec<String>) {
    while lines.last().is_some_and(|line| line.trim().is_empty()) {
        lines.pop();
    }
}
