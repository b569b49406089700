//! Makes a client's bytes fit to be shown: on one line, to a terminal, of bounded length.

use std::fmt::Write;

/// A client may send far more than anyone wants to read.
const LONGEST: usize = 1_024;

/// What is UTF-8 and can be seen stays; the rest is written as an escape. JSON itself needs no more than quotes,
/// backslashes and controls below 0x20 escaped (RFC 8259, section 7), so serde_json leaves DEL, the controls from 0x80
/// and the marks that turn a line's direction to the terminal.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if text.len() > LONGEST {
                text.push('…');
                return text;
            }
            if hidden(character) {
                text.extend(character.escape_unicode());
            } else {
                text.push(character);
            }
        }
        for byte in chunk.invalid() {
            if text.len() > LONGEST {
                text.push('…');
                return text;
            }
            // Writing to a String cannot fail.
            _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

fn hidden(character: char) -> bool {
    let directs = matches!(
        character,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    );
    character.is_control() || directs
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn what_is_too_long_is_cut_whatever_it_is_made_of() {
        for byte in [b'a', b'\x7f', b'\xff'] {
            let text = printable(&vec![byte; 100_000]);
            assert!(text.len() < 1_100, "{} bytes", text.len());
            assert!(text.ends_with('…'), "{text}");
        }
    }
}
