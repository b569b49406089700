//! Regions of a Rust file, and a wrong answer put into those of a solution.
//!
//! A region runs from a line `// TODO 2.1: ...` to a line `// END TODO`. A wrong answer holds `//!` lines, among them
//! `//! fails: name_of_a_test[, another]`, and then the solution's regions with another body. Where the body is
//! `// as in the solution`, the solution's own stays.
//!
//! Build scripts include this file, so it uses nothing but the standard library.
#![allow(
    unreachable_pub,
    reason = "a build script has this file as a private module"
)]

/// A file cut at its regions.
pub struct Cut<'a> {
    pub regions: Vec<Region<'a>>,
    /// What stands after the last region.
    pub rest: Vec<&'a str>,
}

/// A region and what stands before it, line by line.
pub struct Region<'a> {
    pub before: Vec<&'a str>,
    /// The line `// TODO 2.1: ...` as it stands.
    pub open: &'a str,
    /// Where that line is, counted from 1.
    pub line: usize,
    /// `2.1`
    pub number: &'a str,
    pub body: Vec<&'a str>,
    /// The line `// END TODO` as it stands.
    pub close: &'a str,
}

const AS_IN_THE_SOLUTION: &str = "// as in the solution";

/// Cuts a file at its regions.
///
/// # Errors
/// The line and what is wrong with it, if a region is nested, not closed or closed twice.
pub fn cut(text: &str) -> Result<Cut<'_>, (usize, String)> {
    let mut regions: Vec<Region> = Vec::new();
    let mut lines = Vec::new();
    let mut open = None;
    for (line, text) in (1..).zip(text.lines()) {
        let marker = text.trim();
        if let Some(number) = marker.strip_prefix("// TODO ") {
            if let Some((_, _, first)) = open {
                return Err((
                    line,
                    format!(
                        "a region inside the one of line {first}; close that first with // END TODO"
                    ),
                ));
            }
            let number = number.split([':', ' ']).next().unwrap_or_default();
            open = Some((std::mem::take(&mut lines), (text, number), line));
        } else if marker == "// END TODO" {
            let Some((before, (open, number), line)) = open.take() else {
                return Err((line, "// END TODO without // TODO; delete it".to_owned()));
            };
            let body = std::mem::take(&mut lines);
            let close = text;
            regions.push(Region {
                before,
                open,
                line,
                number,
                body,
                close,
            });
        } else {
            lines.push(text);
        }
    }
    match open {
        None => Ok(Cut {
            regions,
            rest: lines,
        }),
        Some((_, _, line)) => Err((
            line,
            "this region is not closed; end it with // END TODO".to_owned(),
        )),
    }
}

/// The solution with the bodies of the wrong answer in its regions.
///
/// # Errors
/// Why they do not fit together.
pub fn compose(solution: &str, wrong: &str) -> Result<String, String> {
    let solution =
        cut(solution).map_err(|(line, what)| format!("the solution's line {line}: {what}"))?;
    let wrong = cut(wrong).map_err(|(line, what)| format!("line {line}: {what}"))?;
    fits(&solution, &wrong)?;
    let mut lines = Vec::new();
    for (region, wrong) in solution.regions.into_iter().zip(wrong.regions) {
        lines.extend(region.before);
        lines.push(region.open);
        lines.extend(if keeps(&wrong) {
            region.body
        } else {
            wrong.body
        });
        lines.push(region.close);
    }
    lines.extend(solution.rest);
    Ok(lines.join("\n") + "\n")
}

fn fits(solution: &Cut, wrong: &Cut) -> Result<(), String> {
    let (has, needs) = (wrong.regions.len(), solution.regions.len());
    if has != needs {
        return Err(format!(
            "regions: {has} here, {needs} in the solution; write each, with the body `{AS_IN_THE_SOLUTION}` where it is right"
        ));
    }
    for (region, wrong) in solution.regions.iter().zip(&wrong.regions) {
        if region.number != wrong.number {
            let (line, number) = (wrong.line, region.number);
            return Err(format!(
                "line {line}: this region belongs to {number} in the solution; begin it with // TODO {number}"
            ));
        }
    }
    if wrong.regions.iter().all(keeps) {
        return Err("no region differs from the solution; write the mistake in one".to_owned());
    }
    let outside = wrong
        .regions
        .iter()
        .flat_map(|region| &region.before)
        .chain(&wrong.rest);
    match outside
        .into_iter()
        .find(|line| !line.trim().is_empty() && !line.starts_with("//!"))
    {
        None => Ok(()),
        Some(line) => Err(format!(
            "`{}` stands outside of the regions, where only //! lines may",
            line.trim()
        )),
    }
}

fn keeps(wrong: &Region) -> bool {
    let mut lines = wrong
        .body
        .iter()
        .map(|line| line.trim())
        .filter(|line| !line.is_empty());
    lines.next() == Some(AS_IN_THE_SOLUTION) && lines.next().is_none()
}
