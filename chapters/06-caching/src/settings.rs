//! What can be set from outside.

use std::{str::FromStr, time::Duration};

use ipnet::IpNet;

use crate::purge;

pub(crate) struct Settings {
    /// The most that the store may hold; 0 switches it off.
    pub(crate) cache_bytes: usize,
    /// Who may purge.
    pub(crate) purge_from: Vec<IpNet>,
    /// The longest that a response is taken for fresh where the origin does not say.
    pub(crate) heuristic_max: Duration,
    /// How long after its freshness a response may be used when no upstream can be reached.
    pub(crate) stale_if_disconnected: Duration,
    /// How long one request waits for another that asks for the same.
    pub(crate) lock_timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) read_timeout: Duration,
}

impl Settings {
    /// Ends the process with one line and exit code 2 where a value cannot be read.
    pub(crate) fn from_env() -> Self {
        let purge_from = variable("PURGE_FROM").unwrap_or_else(|| "127.0.0.0/8,::1/128".to_owned());
        Self {
            cache_bytes: number("CACHE_BYTES", 64 << 20),
            purge_from: purge::networks(&purge_from)
                .unwrap_or_else(|why| refuse("PURGE_FROM", &why)),
            heuristic_max: milliseconds("HEURISTIC_MAX_MS", 86_400_000),
            stale_if_disconnected: milliseconds("STALE_IF_DISCONNECTED_MS", 3_600_000),
            lock_timeout: milliseconds("LOCK_TIMEOUT_MS", 10_000),
            connect_timeout: milliseconds("CONNECT_TIMEOUT_MS", 3_000),
            read_timeout: milliseconds("READ_TIMEOUT_MS", 10_000),
        }
    }
}

fn milliseconds(name: &str, default: u64) -> Duration {
    Duration::from_millis(number(name, default))
}

fn number<N: FromStr>(name: &str, default: N) -> N {
    let Some(value) = variable(name) else {
        return default;
    };
    let value = value.trim();
    value.parse().unwrap_or_else(|_| {
        let value = value.escape_debug();
        refuse(name, &format!("'{value}' is not a whole number from 0"))
    })
}

fn variable(name: &str) -> Option<String> {
    let value = std::env::var_os(name)?;
    Some(value.to_string_lossy().into_owned())
}

fn refuse(name: &str, why: &str) -> ! {
    eprintln!("{name}: {why}");
    std::process::exit(2)
}
