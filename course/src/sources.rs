//! Code shown under `<!-- from src/main.rs -->` stands in that file, indentation aside.

use std::collections::BTreeSet;

use crate::chapters::Course;
use crate::finding::Finding;
use crate::links;
use crate::readme::{Block, Readme};

/// Every block of a page that differs from the file it names, at the first line that does.
pub fn check(course: &Course, page: &Readme) -> Vec<Finding> {
    page.blocks
        .iter()
        .filter_map(|block| check_block(course, page, block, block.source()?).err())
        .collect()
}

/// Alone on a line of a block, it stands for lines that are left out.
const ELISION: &str = "// ...";

fn check_block(course: &Course, page: &Readme, block: &Block, name: &str) -> Result<(), Finding> {
    let source = links::resolve(page, name).and_then(|path| course.read(&path).ok());
    let Some(source) = source else {
        let what = format!("{name} cannot be read; name a file relative to this page's folder");
        return Err(Finding::new(&page.path, block.line, what));
    };
    let source: Vec<&str> = source.lines().map(str::trim_end).collect();
    let shown: Vec<&str> = block.text.lines().map(str::trim_end).collect();
    match standing(&shown, &source) {
        count if count == shown.len() => Ok(()),
        count => {
            let line = shown.get(count).map_or("", |line| line.trim());
            let what = format!("`{line}` is not what {name} has here; copy the passage again");
            Err(Finding::new(&page.path, block.line + 1 + count, what))
        }
    }
}

/// How many of the lines shown stand in the source, at the indentation where most do.
fn standing(shown: &[&str], source: &[&str]) -> usize {
    let shown = dedented(shown);
    let indents: BTreeSet<&str> = source.iter().map(|line| indent(line)).collect();
    let counts = indents.into_iter().map(|indent| {
        let source: Vec<Option<&str>> = source.iter().map(|line| shifted(line, indent)).collect();
        standing_in(&shown, &source)
    });
    counts.max().unwrap_or_default()
}

/// The same, where the indentation is equal. Each part between elisions stands whole, after the one before it.
fn standing_in(shown: &[&str], mut source: &[Option<&str>]) -> usize {
    let mut count = 0;
    for part in shown.split(|line| line.trim() == ELISION) {
        let tails = (0..=source.len()).filter_map(|start| source.get(start..));
        // The earliest of the best: what follows has the most left to stand in.
        let best = tails.rev().max_by_key(|tail| common(part, tail));
        let best = best.unwrap_or_default();
        let common = common(part, best);
        count += common;
        if common < part.len() {
            return count;
        }
        source = best.get(common..).unwrap_or_default();
        count += 1;
    }
    // There is one elision less than there are parts.
    count - 1
}

fn common(part: &[&str], source: &[Option<&str>]) -> usize {
    let pairs = part.iter().zip(source);
    pairs
        .take_while(|(shown, line)| Some(**shown) == **line)
        .count()
}

fn dedented<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let indents = lines
        .iter()
        .filter(|line| !line.is_empty() && line.trim() != ELISION)
        .map(|line| indent(line));
    let shortest = indents
        .min_by_key(|indent| indent.len())
        .unwrap_or_default();
    lines
        .iter()
        .map(|line| shifted(line, shortest).unwrap_or(line))
        .collect()
}

fn indent(line: &str) -> &str {
    let code = line.trim_start();
    line.strip_suffix(code).unwrap_or_default()
}

/// The line without an indentation; None if it is not indented as far. Empty lines are indented at will.
fn shifted<'a>(line: &'a str, indent: &str) -> Option<&'a str> {
    if line.is_empty() {
        Some(line)
    } else {
        line.strip_prefix(indent)
    }
}
