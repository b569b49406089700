//! A Markdown page as the course reads it: headings, blocks, links, folded text, list items, each with its line.

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// One page. Lines are counted from 1; a range of lines excludes its end.
#[derive(Debug, Clone, Default)]
pub struct Readme {
    /// Relative to the course's root.
    pub path: PathBuf,
    pub text: String,
    pub headings: Vec<Heading>,
    /// Code blocks, fenced or indented, in the order of the page.
    pub blocks: Vec<Block>,
    pub links: Vec<Link>,
    pub details: Vec<Details>,
    /// Items of lists that stand in no other list.
    pub items: Vec<Item>,
}

/// A heading and the anchor that GitHub gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading {
    pub level: u8,
    /// Without Markdown: `Tour of main.rs`.
    pub text: String,
    /// What stands after `#` in a link to it.
    pub anchor: String,
    pub line: usize,
}

/// A code block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// What follows the fence: `console proxy`. Empty for an indented block.
    pub info: String,
    pub text: String,
    /// The line of the fence; the text starts on the next one.
    pub line: usize,
    /// The last line, which is the closing fence.
    pub end: usize,
    /// The HTML comment directly above, without its marks: `from src/main.rs`.
    pub comment_above: Option<String>,
    /// The exercise (chapter, number) in whose section the block stands.
    pub section: Option<(u8, u8)>,
}

/// A link or an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub target: String,
    pub line: usize,
}

/// A `<details>` element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    pub line: usize,
    /// The line of `</details>`, or the page's last line where that is missing.
    pub end: usize,
    pub summary: String,
    /// The Markdown inside, as it stands between `</summary>` and `</details>`.
    pub text: String,
    pub closed: bool,
}

/// A list item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub line: usize,
    /// The line on which its list starts.
    pub list: usize,
    /// Markdown, on one line, without the bullet.
    pub text: String,
}

impl Block {
    /// The language named by the fence: `console`.
    pub fn language(&self) -> &str {
        self.info.split_whitespace().next().unwrap_or_default()
    }

    /// The terminal named after `console`, if any.
    pub fn terminal(&self) -> Option<&str> {
        self.info.split_whitespace().nth(1)
    }

    /// The reason in `<!-- not run: reason -->` above the block.
    pub fn not_run(&self) -> Option<&str> {
        let reason = self.comment_above.as_deref()?.strip_prefix("not run:")?;
        Some(reason.trim())
    }

    /// The file in `<!-- from src/main.rs -->` above the block, relative to the page's folder.
    pub fn source(&self) -> Option<&str> {
        let file = self.comment_above.as_deref()?.strip_prefix("from ")?;
        Some(file.trim())
    }
}

/// `2.1 Forward` is exercise 1 of chapter 2, titled `Forward`.
pub fn exercise_number(heading: &str) -> Option<(u8, u8, &str)> {
    let (number, title) = heading.split_once(' ').unwrap_or((heading, ""));
    let (chapter, exercise) = number.split_once('.')?;
    Some((chapter.parse().ok()?, exercise.parse().ok()?, title.trim()))
}

impl Readme {
    /// Reads a page; `path` is relative to the course's root.
    pub fn parse(path: impl Into<PathBuf>, text: impl Into<String>) -> Readme {
        let text = text.into();
        let mut pass = Pass::over(&text);
        let options = Options::ENABLE_TABLES
            | Options::ENABLE_FOOTNOTES
            | Options::ENABLE_STRIKETHROUGH
            | Options::ENABLE_TASKLISTS;
        for (event, range) in Parser::new_ext(&text, options).into_offset_iter() {
            pass.take(event, range);
        }
        let Readme {
            headings,
            blocks,
            links,
            details,
            items,
            ..
        } = pass.finish();
        Readme {
            path: path.into(),
            text,
            headings,
            blocks,
            links,
            details,
            items,
        }
    }

    /// The lines under the first heading `title` of `level`, the heading's own included.
    pub fn section(&self, level: u8, title: &str) -> Option<Range<usize>> {
        let heading = self
            .headings
            .iter()
            .find(|heading| heading.level == level && heading.text == title)?;
        Some(self.under(heading))
    }

    /// The lines from a heading to the next one of the same or a higher rank.
    pub fn under(&self, heading: &Heading) -> Range<usize> {
        let next = self
            .headings
            .iter()
            .find(|other| other.line > heading.line && other.level <= heading.level);
        heading.line..next.map_or(self.last_line() + 1, |other| other.line)
    }

    /// The lines among `lines` that are no code, trimmed.
    pub fn prose(&self, lines: Range<usize>) -> impl Iterator<Item = (usize, &str)> {
        let count = lines.end.saturating_sub(lines.start);
        (1..)
            .zip(self.text.lines())
            .skip(lines.start.saturating_sub(1))
            .take(count)
            .filter(|(line, _)| !self.is_code(*line))
            .map(|(line, text)| (line, text.trim()))
    }

    /// From the line among `lines` that starts with `beginning` to the end of its paragraph, on one line.
    pub fn paragraph(&self, lines: Range<usize>, beginning: &str) -> Option<(usize, String)> {
        let mut rest = self
            .prose(lines)
            .skip_while(|(_, text)| !text.starts_with(beginning))
            .take_while(|(_, text)| !text.is_empty() && !text.starts_with('<'))
            .peekable();
        let line = rest.peek()?.0;
        let words: Vec<&str> = rest.map(|(_, text)| text).collect();
        Some((line, words.join(" ")))
    }

    /// The code blocks among `lines`.
    pub fn blocks_in(&self, lines: &Range<usize>) -> impl Iterator<Item = &Block> {
        let blocks = self.blocks.iter();
        blocks.filter(|block| lines.contains(&block.line))
    }

    /// The folded texts among `lines`.
    pub fn details_in(&self, lines: &Range<usize>) -> impl Iterator<Item = &Details> {
        let details = self.details.iter();
        details.filter(|details| lines.contains(&details.line))
    }

    /// The list items among `lines` that are not folded.
    pub fn items_in(&self, lines: &Range<usize>) -> impl Iterator<Item = &Item> {
        let items = self.items.iter();
        items.filter(|item| lines.contains(&item.line) && !self.is_folded(item.line))
    }

    /// Whether a line stands in a `<details>` element.
    pub fn is_folded(&self, line: usize) -> bool {
        self.details
            .iter()
            .any(|details| (details.line..=details.end).contains(&line))
    }

    /// The number of lines.
    pub fn last_line(&self) -> usize {
        self.text.lines().count()
    }

    fn is_code(&self, line: usize) -> bool {
        self.blocks
            .iter()
            .any(|block| (block.line..=block.end).contains(&line))
    }
}

/// One walk over the parser's events.
struct Pass<'a> {
    source: &'a str,
    /// Where each line ends.
    newlines: Vec<usize>,
    page: Readme,
    /// The text of the heading or code block that is being read.
    text: Option<String>,
    /// What follows the fence of that code block.
    info: String,
    section: Option<(u8, u8)>,
    anchors: HashMap<String, usize>,
    /// The first lines of the lists that are open.
    lists: Vec<usize>,
    /// The `<details>` that are open, and where the Markdown of each starts.
    open: Vec<(Details, usize)>,
}

impl<'a> Pass<'a> {
    fn over(source: &'a str) -> Pass<'a> {
        Pass {
            source,
            newlines: source.match_indices('\n').map(|(at, _)| at).collect(),
            page: Readme::default(),
            text: None,
            info: String::new(),
            section: None,
            anchors: HashMap::new(),
            lists: Vec::new(),
            open: Vec::new(),
        }
    }

    fn line(&self, offset: usize) -> usize {
        self.newlines.partition_point(|&newline| newline < offset) + 1
    }

    fn slice(&self, range: Range<usize>) -> &'a str {
        self.source.get(range).unwrap_or_default()
    }

    fn take(&mut self, event: Event<'a>, range: Range<usize>) {
        match event {
            Event::Start(Tag::Heading { .. }) => self.text = Some(String::new()),
            Event::Start(Tag::CodeBlock(kind)) => {
                self.text = Some(String::new());
                self.info = match kind {
                    CodeBlockKind::Fenced(info) => info.trim().to_owned(),
                    CodeBlockKind::Indented => String::new(),
                };
            }
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                let line = self.line(range.start);
                self.page.links.push(Link {
                    target: dest_url.into_string(),
                    line,
                });
            }
            Event::Start(Tag::List(_)) => self.lists.push(self.line(range.start)),
            Event::Start(Tag::Item) => self.item(range),
            Event::End(TagEnd::List(_)) => {
                self.lists.pop();
            }
            Event::End(TagEnd::Heading(level)) => self.heading(level as u8, &range),
            Event::End(TagEnd::CodeBlock) => self.block(&range),
            Event::Text(text) | Event::Code(text) => {
                if let Some(gathered) = &mut self.text {
                    gathered.push_str(&text);
                }
            }
            Event::Html(html) | Event::InlineHtml(html) if !html.starts_with("<!--") => {
                self.html(&range);
            }
            _ => {}
        }
    }

    fn heading(&mut self, level: u8, range: &Range<usize>) {
        let text = self.text.take().unwrap_or_default();
        if level <= 3 {
            self.section = exercise_number(&text).map(|(chapter, number, _)| (chapter, number));
        }
        let anchor = self.anchor(&text);
        let line = self.line(range.start);
        self.page.headings.push(Heading {
            level,
            text,
            anchor,
            line,
        });
    }

    /// GitHub's rule: lower case, punctuation dropped, spaces to hyphens, `-1` for a repetition.
    fn anchor(&mut self, heading: &str) -> String {
        let plain: String = heading
            .trim()
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let mut anchor = plain.clone();
        while self.anchors.contains_key(&anchor) {
            let count = self.anchors.entry(plain.clone()).or_default();
            *count += 1;
            anchor = format!("{plain}-{count}");
        }
        self.anchors.insert(anchor.clone(), 0);
        anchor
    }

    fn block(&mut self, range: &Range<usize>) {
        let text = self.text.take().unwrap_or_default();
        let block = Block {
            info: std::mem::take(&mut self.info),
            text,
            line: self.line(range.start),
            end: self.line(range.end.saturating_sub(1)),
            comment_above: comment_before(self.slice(0..range.start)),
            section: self.section,
        };
        self.page.blocks.push(block);
    }

    fn item(&mut self, range: Range<usize>) {
        let (&[list], line) = (self.lists.as_slice(), self.line(range.start)) else {
            return;
        };
        let text = self.slice(range);
        let text = text.split_once(' ').map_or("", |(_bullet, text)| text);
        let words: Vec<&str> = text.split_whitespace().collect();
        self.page.items.push(Item {
            line,
            list,
            text: words.join(" "),
        });
    }

    /// Follows the tags of folded text through a piece of HTML.
    fn html(&mut self, range: &Range<usize>) {
        let html = self.slice(range.clone());
        for (at, _) in html.match_indices('<') {
            let at = range.start + at;
            let tag = self.slice(at..range.end);
            let inside = at + tag.find('>').map_or(tag.len(), |end| end + 1);
            if tag.starts_with("<details") {
                self.unfold(at);
            } else if tag.starts_with("<summary") {
                self.summary(inside);
            } else if tag.starts_with("</details") {
                self.fold(at, true);
            }
        }
    }

    fn unfold(&mut self, at: usize) {
        let details = Details {
            line: self.line(at),
            end: 0,
            summary: String::new(),
            text: String::new(),
            closed: false,
        };
        self.open.push((details, at));
    }

    fn summary(&mut self, inside: usize) {
        const END: &str = "</summary>";
        let rest = self.slice(inside..self.source.len());
        if let (Some((details, text)), Some(length)) = (self.open.last_mut(), rest.find(END)) {
            details.summary = rest.get(..length).unwrap_or_default().trim().to_owned();
            *text = inside + length + END.len();
        }
    }

    fn fold(&mut self, at: usize, closed: bool) {
        if let Some((mut details, text)) = self.open.pop() {
            details.end = self.line(at);
            details.text = self.slice(text..at).to_owned();
            details.closed = closed;
            self.page.details.push(details);
        }
    }

    fn finish(mut self) -> Readme {
        while !self.open.is_empty() {
            self.fold(self.source.trim_end().len(), false);
        }
        self.page.details.sort_by_key(|details| details.line);
        self.page
    }
}

/// The comment that ends where `text` does, without its marks.
fn comment_before(text: &str) -> Option<String> {
    let inside = text.trim_end().strip_suffix("-->")?;
    let (_, comment) = inside.rsplit_once("<!--")?;
    Some(comment.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_get_the_anchors_that_github_gives() {
        let page = Readme::parse(
            "a.md",
            "# A `b_c`: d-e!\n\n## Same\n\n## Same\n\n## Same-1\n\n### 2.1 Forward\n",
        );
        let anchors: Vec<_> = page
            .headings
            .iter()
            .map(|heading| (heading.line, heading.anchor.as_str()))
            .collect();
        let expected = [
            (1, "a-b_c-d-e"),
            (3, "same"),
            (5, "same-1"),
            (7, "same-1-1"),
            (9, "21-forward"),
        ];
        assert_eq!(anchors, expected);
    }

    #[test]
    fn blocks_know_their_place() {
        let page = Readme::parse(
            "a.md",
            "## Exercises\n\n### 2.1 Forward\n\n- item\n\n  <!-- not run: it never ends -->\n  ```console proxy\n  $ a\n   b\n  ```\n\n\
             ## Next\n\n<!-- from src/main.rs -->\n\n```rust\n```\n",
        );
        let [first, second] = page.blocks.as_slice() else {
            panic!("{:?}", page.blocks)
        };
        assert_eq!(
            (first.line, first.end, first.section),
            (8, 11, Some((2, 1)))
        );
        assert_eq!(
            (first.language(), first.terminal()),
            ("console", Some("proxy"))
        );
        assert_eq!(
            (first.text.as_str(), first.not_run()),
            ("$ a\n b\n", Some("it never ends"))
        );
        assert_eq!((second.line, second.end, second.section), (17, 18, None));
        assert_eq!(
            (second.terminal(), second.source()),
            (None, Some("src/main.rs"))
        );
    }

    #[test]
    fn folded_text_nests_and_ends_at_its_own_tag() {
        let page = Readme::parse(
            "a.md",
            "<details open><summary>Out</summary>\n\nText <details>\n<summary> In </summary> inner</details> more\n</details>\n\n\
             <!-- <details> -->\n```html\n<details>\n```\n",
        );
        let found: Vec<_> = page
            .details
            .iter()
            .map(|details| {
                (
                    details.line,
                    details.end,
                    details.summary.as_str(),
                    details.closed,
                )
            })
            .collect();
        assert_eq!(found, [(1, 5, "Out", true), (3, 4, "In", true)]);
    }

    #[test]
    fn items_are_on_one_line_and_links_have_theirs() {
        let page = Readme::parse(
            "a.md",
            "- one\n  [more](b.md)\n  - inner\n- two\n\n![image](c.png) <https://d.example>\n",
        );
        let items: Vec<_> = page
            .items
            .iter()
            .map(|item| (item.line, item.list, item.text.as_str()))
            .collect();
        assert_eq!(items, [(1, 1, "one [more](b.md) - inner"), (4, 1, "two")]);
        let links: Vec<_> = page
            .links
            .iter()
            .map(|link| (link.line, link.target.as_str()))
            .collect();
        assert_eq!(links, [(2, "b.md"), (6, "c.png"), (6, "https://d.example")]);
    }
}
