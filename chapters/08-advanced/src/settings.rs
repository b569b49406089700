//! What can be set from outside. What cannot be used ends the program with one line and exit code 2.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use crate::{drain, limits::Limits};

pub(crate) struct Settings {
    pub(crate) listen: String,
    pub(crate) listen_tls: String,
    /// `CERTS`: the folder of the certificates.
    pub(crate) certificates: PathBuf,
    /// `RELOAD_MS`: how often is looked whether they have changed.
    pub(crate) reload: Duration,
    pub(crate) upstreams: Vec<SocketAddr>,
    pub(crate) upstream: UpstreamLimits,
    pub(crate) limits: Limits,
    /// `DRAIN_MS` and `HANDOVER_MS`: how long what is in flight may take once this process leaves.
    pub(crate) drain: drain::Limits,
}

/// How long each wait for an upstream may take.
#[derive(Clone, Copy)]
pub(crate) struct UpstreamLimits {
    /// `CONNECT_TIMEOUT_MS`: one try to connect.
    pub(crate) connect: Duration,
    /// `READ_TIMEOUT_MS`: silence.
    pub(crate) read: Duration,
    /// `WRITE_TIMEOUT_MS`: it takes nothing of what is sent.
    pub(crate) write: Duration,
}

impl Settings {
    pub(crate) fn from_env() -> Self {
        Self {
            listen: upstreams::listen("LISTEN", "127.0.0.1:6188"),
            listen_tls: upstreams::listen("LISTEN_TLS", "127.0.0.1:6443"),
            certificates: variable("CERTS")
                .unwrap_or_else(|| "certs".to_owned())
                .into(),
            reload: milliseconds("RELOAD_MS", 1_000),
            upstream: UpstreamLimits {
                connect: milliseconds("CONNECT_TIMEOUT_MS", 1_000),
                read: milliseconds("READ_TIMEOUT_MS", 10_000),
                write: milliseconds("WRITE_TIMEOUT_MS", 10_000),
            },
            limits: Limits {
                wait: milliseconds("CLIENT_TIMEOUT_MS", 10_000),
                header_time: milliseconds("HEADER_TIMEOUT_MS", 60_000),
                header_fields: size("HEADER_FIELDS", 100),
                header_size: size("HEADER_LIMIT", 32 << 10),
                body_time: milliseconds("BODY_TIMEOUT_MS", 60_000),
                body_size: size("BODY_LIMIT", 10 << 20),
                tunnel_idle: milliseconds("TUNNEL_IDLE_MS", 60_000),
            },
            drain: drain::Limits {
                stop: milliseconds("DRAIN_MS", 10_000),
                handover: milliseconds("HANDOVER_MS", 60_000),
            },
            // Last: it may start servers, which is for nothing where another setting is wrong.
            upstreams: upstreams::from_env(),
        }
    }
}

fn milliseconds(name: &str, default: u64) -> Duration {
    // A day at most: what is computed with it stays far from any overflow.
    Duration::from_millis(number(name, default).min(86_400_000))
}

fn size(name: &str, default: usize) -> usize {
    usize::try_from(number(name, default as u64)).unwrap_or(default)
}

/// A whole number above 0.
fn number(name: &str, default: u64) -> u64 {
    let Some(text) = variable(name) else {
        return default;
    };
    match text.trim().parse() {
        Ok(number @ 1..) => number,
        _ => refuse(&format!(
            "{name}: {text:?} cannot be used; write a whole number above 0, as in {name}={default}"
        )),
    }
}

fn variable(name: &str) -> Option<String> {
    let value = std::env::var_os(name)?;
    let value = value.to_string_lossy().into_owned();
    (!value.is_empty()).then_some(value)
}

/// Ends the program with one line.
pub(crate) fn refuse(why: &str) -> ! {
    eprintln!("{why}");
    std::process::exit(2)
}
