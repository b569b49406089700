//! What the environment asks for. What cannot be read ends the program, in one line.

use std::time::Duration;

use http::uri::PathAndQuery;

use crate::{
    breaker, budget,
    checks::{Field, Question},
    outlier,
};

pub(crate) struct Settings {
    /// `CHECK`, `HEALTH_PATH`, `HEALTH_FIELD`: what a check asks.
    pub(crate) question: Question,
    /// `HEALTH_PORT`, if it is not the backend's own.
    pub(crate) port: Option<u16>,
    /// `HEALTH_INTERVAL_MS`
    pub(crate) interval: Duration,
    /// `CHECK_TIMEOUT_MS`
    pub(crate) timeout: Duration,
    /// `FALL` and `RISE`: so many checks in a row change the verdict.
    pub(crate) fall: usize,
    pub(crate) rise: usize,
    /// `TRIES`: how often a request may be sent, the first time included.
    pub(crate) tries: usize,
    /// `RETRY_PERCENT` and `RETRY_FLOOR`
    pub(crate) budget: budget::Policy,
    /// `EJECT_AFTER`, `COOL_DOWN_MS`, `SLOW_RETURN_MS` and `PANIC_PERCENT`
    pub(crate) ejection: outlier::Policy,
    /// `BREAK_AFTER` and `BREAK_MS`
    pub(crate) breaker: breaker::Policy,
}

impl Settings {
    /// Ends the program with code 2 if one of them cannot be read.
    pub(crate) fn from_env() -> Self {
        let cool_down = milliseconds("COOL_DOWN_MS", "5000");
        Self {
            question: question(),
            port: std::env::var_os("HEALTH_PORT").map(|_| number("HEALTH_PORT", "8081")),
            interval: milliseconds("HEALTH_INTERVAL_MS", "1000"),
            timeout: milliseconds("CHECK_TIMEOUT_MS", "500"),
            fall: number("FALL", "2"),
            rise: number("RISE", "2"),
            tries: number("TRIES", "3"),
            budget: budget::Policy {
                percent: number("RETRY_PERCENT", "20"),
                floor: number("RETRY_FLOOR", "100"),
                window: Duration::from_secs(10),
            },
            ejection: outlier::Policy {
                failures: number("EJECT_AFTER", "3"),
                cool_down,
                longest: cool_down * 32,
                forget: cool_down * 64,
                slow_return: milliseconds("SLOW_RETURN_MS", "10000"),
                panic_percent: percent("PANIC_PERCENT", "30"),
                is_failure: outlier::cannot_work,
            },
            breaker: breaker::Policy {
                failures: number("BREAK_AFTER", "20"),
                open: milliseconds("BREAK_MS", "2000"),
            },
        }
    }
}

fn question() -> Question {
    match setting("CHECK", "http", |text| {
        ["http", "tcp"].contains(&text).then(|| text.to_owned())
    })
    .as_str()
    {
        "tcp" => Question::Connect,
        _ => Question::Ask {
            path: setting("HEALTH_PATH", "/health", |text| {
                let path: PathAndQuery = text.parse().ok()?;
                text.starts_with('/').then(|| path.to_string())
            }),
            field: std::env::var_os("HEALTH_FIELD")
                .map(|_| setting("HEALTH_FIELD", "/status=ok", Field::parse)),
        },
    }
}

fn milliseconds(name: &str, default: &str) -> Duration {
    // A day at most: what is computed with it stays far from any overflow.
    setting(name, default, |text| match text.parse() {
        Ok(milliseconds @ 1..=86_400_000) => Some(Duration::from_millis(milliseconds)),
        _ => None,
    })
}

fn percent(name: &str, default: &str) -> usize {
    setting(name, default, |text| {
        text.parse()
            .ok()
            .filter(|number| (1..=100).contains(number))
    })
}

/// A number above 0.
fn number<T: std::str::FromStr + Default + PartialOrd>(name: &str, default: &str) -> T {
    setting(name, default, |text| {
        text.parse().ok().filter(|number| *number > T::default())
    })
}

fn setting<T>(name: &str, default: &str, read: impl FnOnce(&str) -> Option<T>) -> T {
    let text = std::env::var(name).unwrap_or_else(|_| default.to_owned());
    read(&text).unwrap_or_else(|| {
        eprintln!("{name}: {text:?} cannot be used; write for example {name}={default}");
        std::process::exit(2)
    })
}
