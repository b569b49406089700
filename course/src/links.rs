//! Links lead to files and headings that exist. Addresses on the web are only checked for their form.

use std::path::{Component, Path, PathBuf};

use crate::chapters::Course;
use crate::finding::Finding;
use crate::readme::Readme;

/// Every link of a page that leads nowhere.
pub fn check(course: &Course, page: &Readme) -> Vec<Finding> {
    page.links
        .iter()
        .filter_map(|link| {
            let what = flaw(course, page, &link.target)?;
            Some(Finding::new(&page.path, link.line, what))
        })
        .collect()
}

/// The file or folder that a relative link of a page leads to, relative to the root; None if that is outside of it.
pub(crate) fn resolve(page: &Readme, target: &str) -> Option<PathBuf> {
    let mut path = page.path.parent().unwrap_or(Path::new("")).to_owned();
    for part in Path::new(target).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::ParentDir => path.pop().then_some(())?,
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(path)
}

fn flaw(course: &Course, page: &Readme, target: &str) -> Option<String> {
    if let Some((scheme, rest)) = target.split_once(':') {
        return web_flaw(scheme, rest, target);
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    if file.is_empty() {
        return anchor_flaw(page, anchor, target);
    }
    let Some(path) = resolve(page, file) else {
        return Some(format!(
            "{target} leads out of the repository; link to a file inside, relative to this page"
        ));
    };
    if !course.root.join(&path).exists() {
        return Some(format!(
            "{target} leads to {}, which does not exist; correct the path",
            path.display()
        ));
    }
    if anchor.is_empty() {
        return None;
    }
    let path = if course.root.join(&path).is_dir() {
        path.join("README.md")
    } else {
        path
    };
    if path.extension().is_none_or(|extension| extension != "md") {
        return Some(format!(
            "{target}: lines of a file move; link to the file as a whole"
        ));
    }
    let text = course.read(&path).unwrap_or_default();
    anchor_flaw(&Readme::parse(path, text), anchor, target)
}

fn web_flaw(scheme: &str, rest: &str, target: &str) -> Option<String> {
    let host = rest
        .strip_prefix("//")
        .and_then(|rest| rest.split('/').next());
    let host = host.unwrap_or_default();
    let good = matches!(scheme, "http" | "https")
        && !host.is_empty()
        && !target.contains(char::is_whitespace);
    (!good).then(|| {
        format!("{target} is neither a relative path nor an address of the form https://host/path")
    })
}

fn anchor_flaw(page: &Readme, anchor: &str, target: &str) -> Option<String> {
    let known = page.headings.iter().any(|heading| heading.anchor == anchor);
    (!known).then(|| {
        format!(
            "{target}: no heading of {} has the anchor #{anchor}",
            page.path.display()
        )
    })
}
