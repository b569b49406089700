//! Rules for every page: folded text, commands and diagrams in the form that `course` and GitHub read.

use crate::finding::Finding;
use crate::readme::{Block, Details, Readme};

/// What is wrong with the blocks and the folded text of a page.
pub fn check(page: &Readme) -> Vec<Finding> {
    let details = page
        .details
        .iter()
        .filter_map(|details| Some((details.line, details_flaw(details)?)));
    let blocks = page
        .blocks
        .iter()
        .filter_map(|block| Some((block.line, block_flaw(page, block)?)));
    let mut findings: Vec<Finding> = details
        .chain(blocks)
        .map(|(line, what)| Finding::new(&page.path, line, what))
        .collect();
    findings.sort();
    findings
}

fn details_flaw(details: &Details) -> Option<String> {
    let flaw = if !details.closed {
        "<details> is not closed; add </details> on a line of its own"
    } else if details.summary.is_empty() {
        "<details> has no summary; write <details><summary>...</summary>"
    } else if is_unrendered(&details.text) {
        "GitHub takes what follows </summary> for HTML; leave an empty line before it"
    } else {
        return None;
    };
    Some(flaw.to_owned())
}

/// Markdown on the line after a tag is shown as it stands.
fn is_unrendered(text: &str) -> bool {
    let mut lines = text.lines().skip(1);
    lines.next().is_some_and(|line| !line.trim().is_empty())
}

fn block_flaw(page: &Readme, block: &Block) -> Option<String> {
    match block.language() {
        "console" => console_flaw(block).map(str::to_owned),
        "mermaid" if !has_words(page, block) => Some(
            "the diagram has no text alternative; add <details><summary>The diagram in words</summary> below it".to_owned(),
        ),
        shell @ ("sh" | "bash" | "shell" | "zsh") => Some(format!(
            "a ```{shell} block is never executed; make it ```console, with `$ ` before each command"
        )),
        _ => None,
    }
}

fn console_flaw(block: &Block) -> Option<&'static str> {
    match block.not_run() {
        Some("") => Some("say why the block is not run: <!-- not run: reason -->"),
        Some(_) => None,
        // A block of a terminal by name may show what its program went on to say.
        None if block.text.starts_with("$ ") || block.terminal().is_some() => None,
        None => Some(
            "begin a console block with a command, `$ ` before it, or name its terminal: ```console proxy",
        ),
    }
}

/// Whether the first folded text under a diagram, in the same section, says it in words.
fn has_words(page: &Readme, diagram: &Block) -> bool {
    let next = page
        .headings
        .iter()
        .find(|heading| heading.line > diagram.line);
    let end = next.map_or(usize::MAX, |heading| heading.line);
    let mut below = page.details.iter();
    below
        .find(|details| (diagram.end..end).contains(&details.line))
        .is_some_and(|details| details.summary == "The diagram in words")
}
