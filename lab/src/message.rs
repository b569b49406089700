//! A request or an answer as a failure shows it.

/// So much of a body, or of one value, is shown, in bytes.
const SHOWN: usize = 200;

/// What one side sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message {
    /// The request line or the status line; empty if all there is are bytes.
    pub(crate) first_line: String,
    /// In the order received.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// What else there is to say, for example that the body ended early.
    pub(crate) note: Option<String>,
}

impl Message {
    /// A line instead of a message.
    pub(crate) fn remark(remark: impl Into<String>) -> Self {
        Self {
            first_line: remark.into(),
            ..Self::default()
        }
    }

    /// Bytes that are no message by themselves.
    pub(crate) fn bytes(bytes: &[u8]) -> Self {
        Self {
            body: bytes.to_vec(),
            ..Self::default()
        }
    }

    /// The message with the headers that matter; the others are counted.
    pub(crate) fn lines(&self, matters: impl Fn(&str) -> bool, with_body: bool) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.first_line.is_empty() {
            lines.push(printable(self.first_line.as_bytes()));
        }
        let (shown, omitted): (Vec<_>, Vec<_>) =
            self.headers.iter().partition(|(name, _)| matters(name));
        lines.extend(shown.iter().map(|(name, value)| header_line(name, value)));
        match omitted.len() {
            0 => {}
            1 => lines.push("and 1 more header".to_owned()),
            count => lines.push(format!("and {count} more headers")),
        }
        if with_body || self.first_line.is_empty() {
            lines.extend(body_lines(&self.body));
        } else if !self.body.is_empty() {
            lines.push(format!("and a body of {}", count_bytes(self.body.len())));
        }
        lines.extend(self.note.clone());
        lines
    }
}

/// `Name: value`. The case of a name means nothing (RFC 9110, section 5.1), so all names are shown alike.
pub(crate) fn header_line(name: &str, value: &str) -> String {
    format!("{}: {}", capitalised(name), bounded(value.as_bytes()))
}

/// `x-request-id` as `X-Request-Id`.
pub(crate) fn capitalised(name: &str) -> String {
    let mut start = true;
    name.chars()
        .map(|letter| {
            let shown = if start {
                letter.to_ascii_uppercase()
            } else {
                letter.to_ascii_lowercase()
            };
            start = letter == '-';
            shown
        })
        .collect()
}

/// `1 byte`, `2 bytes`.
pub(crate) fn count_bytes(count: usize) -> String {
    if count == 1 {
        "1 byte".to_owned()
    } else {
        format!("{count} bytes")
    }
}

/// The body's first bytes, its lines kept apart; a line break at its very end is shown as `\n`.
pub(crate) fn body_lines(body: &[u8]) -> Vec<String> {
    let shown = body.get(..SHOWN).unwrap_or(body);
    if shown.len() < body.len() && !is_text(shown) {
        return vec![format!("({}, not text)", count_bytes(body.len()))];
    }
    let inner = shown.strip_suffix(b"\n").unwrap_or(shown);
    let mut lines: Vec<String> = match inner {
        b"" => Vec::new(),
        _ => inner.split(|&byte| byte == b'\n').map(printable).collect(),
    };
    if inner.len() < shown.len() {
        let last = lines.pop().unwrap_or_default();
        lines.push(last + "\\n");
    }
    if shown.len() < body.len() {
        lines.push(format!("... ({} in all)", count_bytes(body.len())));
    }
    lines
}

/// Whether bytes are for reading; a letter may be cut at their end.
fn is_text(bytes: &[u8]) -> bool {
    let printable = |byte: &u8| *byte >= b' ' || b"\t\r\n".contains(byte);
    let cut = match std::str::from_utf8(bytes) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    cut && bytes.iter().all(printable)
}

/// One line of text, cut where it gets long.
pub(crate) fn bounded(bytes: &[u8]) -> String {
    match bytes.get(..SHOWN) {
        Some(start) if start.len() < bytes.len() => printable(start) + "...",
        _ => printable(bytes),
    }
}

/// Text as it is; control characters and what is not UTF-8 escaped.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            if letter.is_control() {
                text.extend(letter.escape_default());
            } else {
                text.push(letter);
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}
