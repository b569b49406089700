//! Cache directives: Cache-Control as it really arrives (RFC 9111, section 5.2), and CDN-Cache-Control (RFC 9213).
//!
//! Whatever is unclear is read so that less is reused: a broken argument counts as the strictest one.

use http::{HeaderMap, HeaderName};
use sfv::{BareItem, Item, ListEntry, Parser};

/// Stands for infinity where a number is too large (RFC 9111, section 1.2.2).
const FOREVER: u32 = 1 << 31;

/// The directives of a message, in order, names in lower case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Directives {
    list: Vec<(String, Argument)>,
    /// From a field that is meant for this kind of cache: then Expires says nothing (RFC 9213, section 2.2).
    pub(crate) targeted: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Argument {
    None,
    Text(String),
    /// Text in a structured field, where a number is another type.
    Words(String),
    Broken,
}

impl Directives {
    /// What a request asks of caches. Pragma is its older form, and counts only where there is no other; all that it can
    /// say is `no-cache` (RFC 9111, section 5.4).
    pub(crate) fn of_request(headers: &HeaderMap) -> Self {
        if headers.contains_key(http::header::CACHE_CONTROL) {
            return Self::cache_control(headers);
        }
        let mut pragma = Self::parse_field(headers, "pragma");
        pragma.list.retain(|(name, _)| name == "no-cache");
        pragma
    }

    /// What a response allows this cache: CDN-Cache-Control where there is a valid one, else Cache-Control.
    pub(crate) fn of_response(headers: &HeaderMap) -> Self {
        Self::targeted(headers).unwrap_or_else(|| Self::cache_control(headers))
    }

    fn cache_control(headers: &HeaderMap) -> Self {
        Self::parse_field(headers, "cache-control")
    }

    fn parse_field(headers: &HeaderMap, name: &str) -> Self {
        let mut list = Vec::new();
        // Line by line: a quote that is open at the end of one does not swallow the next.
        for line in headers.get_all(name) {
            parse(&String::from_utf8_lossy(line.as_bytes()), &mut list);
        }
        Self {
            list,
            targeted: false,
        }
    }

    /// `None` if it is missing, empty or not a dictionary: then it is as if it were not there (RFC 9213, section 2.2).
    fn targeted(headers: &HeaderMap) -> Option<Self> {
        let lines = headers.get_all("cdn-cache-control").iter();
        let lines: Vec<&[u8]> = lines.map(|line| line.as_bytes()).collect();
        let dictionary = Parser::parse_dictionary(&lines.join(&b", "[..])).ok()?;
        let list = dictionary.into_iter();
        let list: Vec<_> = list
            .filter_map(|(name, value)| Some((name, argument(value)?)))
            .collect();
        (!list.is_empty()).then_some(Self {
            list,
            targeted: true,
        })
    }

    /// Whether it is there, whatever its argument.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// Whether it is there for the whole response: without field names, or with an argument that names none.
    pub(crate) fn has_unqualified(&self, name: &str) -> bool {
        self.all(name).any(|argument| names(argument).is_empty())
    }

    /// The fields that its qualified forms name.
    pub(crate) fn fields(&self, name: &str) -> Vec<HeaderName> {
        self.all(name).flat_map(names).collect()
    }

    /// The least number of seconds that it says. One that is missing or no number counts as 0.
    pub(crate) fn least(&self, name: &str) -> Option<u32> {
        self.all(name).map(|it| seconds(it).unwrap_or(0)).min()
    }

    /// The greatest number of seconds that it says. One that is missing or no number counts as infinite.
    pub(crate) fn greatest(&self, name: &str) -> Option<u32> {
        self.all(name)
            .map(|it| seconds(it).unwrap_or(FOREVER))
            .max()
    }

    /// How stale a response may be at most: without an argument by any time (RFC 9111, section 5.2.1.2).
    pub(crate) fn max_stale(&self) -> Option<u32> {
        let bound = |argument: &Argument| match argument {
            Argument::None => FOREVER,
            _ => seconds(argument).unwrap_or(0),
        };
        self.all("max-stale").map(bound).min()
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &Argument> {
        let same = move |(other, argument)| (other == name).then_some(argument);
        let list = self
            .list
            .iter()
            .map(|(name, argument)| (name.as_str(), argument));
        list.filter_map(same)
    }
}

/// One line: directives and commas, with arguments that are tokens or quoted.
fn parse(line: &str, list: &mut Vec<(String, Argument)>) {
    let mut rest = line;
    loop {
        rest = rest.trim_start_matches([',', ' ', '\t']);
        if rest.is_empty() {
            return;
        }
        let end = rest.find([',', '=']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let (argument, after) = match after.strip_prefix('=') {
            None => (Argument::None, after),
            Some(after) => read_argument(after),
        };
        // `max-age =60` is not how it is written, so the number is not believed.
        let broken = name.ends_with([' ', '\t']) && argument != Argument::None;
        let argument = if broken { Argument::Broken } else { argument };
        list.push((name.trim().to_ascii_lowercase(), argument));
        rest = after;
    }
}

/// The argument at the start of the text, and what comes after it.
fn read_argument(text: &str) -> (Argument, &str) {
    let end = text.find(',').unwrap_or(text.len());
    let (token, after) = text.split_at(end);
    let Some(quoted) = text.strip_prefix('"') else {
        return (Argument::Text(token.trim_end().to_owned()), after);
    };
    match read_quoted(quoted) {
        Some((value, after)) if after.trim_start().is_empty() || is_next(after) => {
            (Argument::Text(value), after)
        }
        // Never closed, or closed in the middle of something: what looks like directives inside may be some.
        _ => (Argument::Broken, after),
    }
}

fn is_next(text: &str) -> bool {
    text.trim_start().starts_with(',')
}

/// A quoted string whose opening quote was read (RFC 9110, section 5.6.4), and what comes after it.
fn read_quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

/// A structured field's value as the argument that it stands for (RFC 9213, section 2.1).
fn argument(value: ListEntry) -> Option<Argument> {
    let ListEntry::Item(Item { bare_item, .. }) = value else {
        return Some(Argument::Broken);
    };
    match bare_item {
        BareItem::Boolean(true) => Some(Argument::None),
        BareItem::Boolean(false) => None,
        BareItem::Integer(number) => Some(Argument::Text(number.to_string())),
        BareItem::Decimal(number) => Some(Argument::Text(number.to_string())),
        BareItem::String(text) | BareItem::Token(text) => Some(Argument::Words(text)),
        BareItem::ByteSeq(_) => Some(Argument::Broken),
    }
}

fn names(argument: &Argument) -> Vec<HeaderName> {
    let (Argument::Text(text) | Argument::Words(text)) = argument else {
        return Vec::new();
    };
    let names = text.split(',').map(str::trim);
    names.filter_map(|name| name.parse().ok()).collect()
}

/// `1*DIGIT`; nothing else is a number of seconds (RFC 9111, section 1.2.2).
fn seconds(argument: &Argument) -> Option<u32> {
    match argument {
        Argument::Text(text) => delta_seconds(text),
        _ => None,
    }
}

/// A number of seconds; what is too large is infinite.
pub(crate) fn delta_seconds(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(FOREVER).min(FOREVER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(lines: &[(&'static str, &str)]) -> Directives {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        Directives::of_response(&headers)
    }

    fn max_age(value: &str) -> Option<u32> {
        response(&[("cache-control", value)]).least("max-age")
    }

    #[test]
    fn numbers_are_digits_and_nothing_else() {
        for (text, seconds) in [
            ("max-age=60", 60),
            ("MAX-AGE=060", 60),
            ("max-age=\"60\"", 60),
            ("foo, max-age=60 ,bar", 60),
            ("max-age=99999999999999", FOREVER),
            ("max-age=60, max-age=5", 5),
            ("max-age", 0),
            ("max-age=", 0),
            ("max-age=-60", 0),
            ("max-age=60.0", 0),
            ("max-age='60'", 0),
            ("max-age=60s", 0),
            ("max-age =60", 0),
            ("max-age= 60", 0),
            ("max-age=\"60", 0),
            ("max-age=\"60\"0", 0),
        ] {
            assert_eq!(max_age(text), Some(seconds), "{text}");
        }
        assert_eq!(max_age("x=\"max-age=60\""), None);
        assert_eq!(max_age("x-max-age=60"), None);
    }

    #[test]
    fn an_open_quote_hides_nothing() {
        let directives = response(&[("cache-control", "private=\"a, no-store, x=\"y\"")]);
        assert!(directives.has("no-store"));
        assert!(directives.has_unqualified("private"));
    }

    #[test]
    fn fields_are_named_with_and_without_quotes() {
        let directives = response(&[("cache-control", "private=\"a, B\", no-cache=c")]);
        assert_eq!(directives.fields("private"), ["a", "b"]);
        assert_eq!(directives.fields("no-cache"), ["c"]);
        assert!(!directives.has_unqualified("private"));
        assert!(response(&[("cache-control", "private=\"\"")]).has_unqualified("private"));
    }

    #[test]
    fn the_targeted_field_counts_if_it_is_a_dictionary() {
        let both = |value| response(&[("cache-control", "no-store"), ("cdn-cache-control", value)]);
        assert_eq!(both("max-age=60").least("max-age"), Some(60));
        assert!(!both("max-age=60").has("no-store"));
        assert_eq!(both("max-age=1.5").least("max-age"), Some(0));
        assert_eq!(both("max-age=60;x=1").least("max-age"), Some(60));
        for broken in ["", "max-age=", "MAX-AGE=60", "max-age = 60", "no-store=?0"] {
            assert!(both(broken).has("no-store"), "{broken}");
        }
    }
}
