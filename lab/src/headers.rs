//! Header fields as lists of name and value, and what checks expect of them, the same on both sides of the proxy.

use crate::message::header_line;
use crate::report::Report;

/// Names and values, in the order received.
pub(crate) type Headers = [(String, String)];

/// A message with headers, which can say whose it is.
pub(crate) trait HasHeaders {
    fn headers(&self) -> &Headers;
    /// `the upstream` or `the client`: who got it.
    fn receiver(&self) -> String;
    /// What is wrong before any header is looked at, for example that there is no message.
    #[track_caller]
    fn missing(&self) -> Option<Report> {
        None
    }
    /// The beginnings of a failure about this message.
    #[track_caller]
    fn report(&self, summary: String) -> Report;
}

/// The values of all headers of this name, whose case does not matter.
pub(crate) fn all<'a>(headers: &'a Headers, name: &str) -> Vec<&'a str> {
    headers
        .iter()
        .filter(|(other, _)| other.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
        .collect()
}

/// What is wrong unless there is exactly one header of this name and it has this value.
#[track_caller]
pub(crate) fn unlike(message: &impl HasHeaders, name: &str, value: &str) -> Option<Report> {
    let values = all(message.headers(), name);
    let report = differs(message, name).expected(header_line(name, value));
    judged(message, values != [value], report)
}

/// What is wrong unless the predicate holds for the value; several lines are one value, joined by commas (RFC 9110,
/// section 5.3).
#[track_caller]
pub(crate) fn unlike_where(
    message: &impl HasHeaders,
    name: &str,
    words: &str,
    holds: impl FnOnce(&str) -> bool,
) -> Option<Report> {
    let values = all(message.headers(), name);
    let wrong = values.is_empty() || !holds(&values.join(", "));
    let report = differs(message, name).expected(header_line(name, words));
    judged(message, wrong, report)
}

/// What is wrong unless the list has these items in this order, on one line or on several.
#[track_caller]
pub(crate) fn unlike_list(
    message: &impl HasHeaders,
    name: &str,
    items: &[String],
) -> Option<Report> {
    let found: Vec<String> = all(message.headers(), name)
        .into_iter()
        .flat_map(list_items)
        .collect();
    let expected = header_line(name, &items.join(", "));
    let report = differs(message, name).expected(expected);
    judged(message, found != items, report)
}

/// What is wrong if there is such a header.
#[track_caller]
pub(crate) fn present(message: &impl HasHeaders, name: &str) -> Option<Report> {
    let name_shown = crate::message::capitalised(name);
    let summary = format!("{} got {name_shown}", message.receiver());
    let report = message
        .report(summary)
        .header(name)
        .expected(format!("no {name_shown}"));
    judged(message, !all(message.headers(), name).is_empty(), report)
}

/// A message that is missing matters more than its headers.
#[track_caller]
fn judged(message: &impl HasHeaders, wrong: bool, report: Report) -> Option<Report> {
    message.missing().or_else(|| wrong.then_some(report))
}

#[track_caller]
fn differs(message: &impl HasHeaders, name: &str) -> Report {
    let difference = match all(message.headers(), name).len() {
        0 => "no",
        1 => "a different",
        _ => "several lines of",
    };
    let name_shown = crate::message::capitalised(name);
    let summary = format!("{} got {difference} {name_shown}", message.receiver());
    message.report(summary).header(name)
}

/// The items of a comma-separated list; a comma between quotes belongs to its item (RFC 9110, section 5.6.1).
fn list_items(value: &str) -> Vec<String> {
    let mut quoted = false;
    let mut escaped = false;
    let items = value.split(|letter| {
        let separates = letter == ',' && !quoted;
        if letter == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = quoted && letter == '\\' && !escaped;
        separates
    });
    items
        .map(|item| item.trim().to_owned())
        .filter(|item| !item.is_empty())
        .collect()
}
