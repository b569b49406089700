//! The command line and the environment of the process that calls, as far as they matter at start.

use std::env::{self, VarError};
use std::process;

/// Pingora's own switches. They are read here because a caller asks for its addresses before Pingora parses them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Switches {
    /// `-u`: take the listening sockets over from a running process.
    pub(crate) upgrade: bool,
    /// `-d`: go to the background.
    pub(crate) daemon: bool,
    /// `-t`: test the configuration and exit.
    pub(crate) test: bool,
}

impl Switches {
    pub(crate) fn of_this_process() -> Self {
        Self::parse(
            env::args_os()
                .skip(1)
                .map(|argument| argument.to_string_lossy().into_owned()),
        )
    }

    fn parse(arguments: impl Iterator<Item = String>) -> Self {
        let mut switches = Self::default();
        for argument in arguments.take_while(|argument| argument != "--") {
            match argument.strip_prefix("--") {
                Some(long) => switches.set_long(long),
                None => argument
                    .strip_prefix('-')
                    .into_iter()
                    .for_each(|group| switches.set_group(group)),
            }
        }
        switches
    }

    fn set_long(&mut self, name: &str) {
        self.upgrade |= name == "upgrade";
        self.daemon |= name == "daemon";
        self.test |= name == "test";
    }

    /// Short switches may stand together. What follows `-c` is its value.
    fn set_group(&mut self, group: &str) {
        for letter in group.chars().take_while(|&letter| letter != 'c') {
            self.upgrade |= letter == 'u';
            self.daemon |= letter == 'd';
            self.test |= letter == 't';
        }
    }
}

/// The value of an environment variable. An empty one counts as not set, as compose files leave it.
pub(crate) fn variable(name: &str) -> Result<Option<String>, String> {
    match env::var(name) {
        Ok(value) => Ok(Some(value.trim().to_owned()).filter(|value| !value.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => {
            Err(format!("{name}: the value is not UTF-8 text. Set it anew."))
        }
    }
}

/// The value, or the end of the process with the error as one line.
pub(crate) fn or_exit<T>(result: Result<T, String>) -> T {
    result.unwrap_or_else(|error| {
        eprintln!("{error}");
        process::exit(2)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn switches(line: &str) -> Switches {
        Switches::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn switches_are_found_as_pingora_finds_them() {
        let none = Switches::default();
        for (line, expected) in [
            ("", none),
            (
                "-u",
                Switches {
                    upgrade: true,
                    ..none
                },
            ),
            (
                "--upgrade",
                Switches {
                    upgrade: true,
                    ..none
                },
            ),
            (
                "-d",
                Switches {
                    daemon: true,
                    ..none
                },
            ),
            (
                "--conf x.yaml --daemon",
                Switches {
                    daemon: true,
                    ..none
                },
            ),
            (
                "-du",
                Switches {
                    upgrade: true,
                    daemon: true,
                    ..none
                },
            ),
            (
                "-udt",
                Switches {
                    upgrade: true,
                    daemon: true,
                    test: true,
                },
            ),
            ("-t -c conf", Switches { test: true, ..none }),
            (
                "-uconf.yaml",
                Switches {
                    upgrade: true,
                    ..none
                },
            ),
            ("-cdut", none),
            ("--conf=-d", none),
            ("-- -d", none),
            ("--nocapture", none),
            ("upgrade", none),
            ("-", none),
        ] {
            assert_eq!(switches(line), expected, "{line}");
        }
    }
}
