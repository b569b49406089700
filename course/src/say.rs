//! Prints what the command has to say.

use std::io::{self, Write};

/// Prints a line at once. A reader who has left, as in `cargo course list | head`, is no error.
pub fn say(line: impl AsRef<str>) {
    let _left = writeln!(io::stdout(), "{}", line.as_ref());
}

/// The same on stderr.
pub fn complain(line: impl AsRef<str>) {
    let _left = writeln!(io::stderr(), "{}", line.as_ref());
}
