//! What can be set from outside. What cannot be used ends the program with one line and exit code 2.

use std::{net::SocketAddr, time::Duration};

pub(crate) struct Settings {
    pub(crate) listen: String,
    pub(crate) admin: String,
    pub(crate) upstreams: Vec<SocketAddr>,
    /// `CONNECT_TIMEOUT_MS`: how long one try to connect may take.
    pub(crate) connect_timeout: Duration,
    /// `READ_TIMEOUT_MS`: how long an upstream may be silent.
    pub(crate) read_timeout: Duration,
    /// `CLIENT_TIMEOUT_MS`: how long a client may neither send nor take anything.
    pub(crate) client_timeout: Duration,
    /// Whether a variable names a collector for spans.
    pub(crate) export: bool,
}

impl Settings {
    pub(crate) fn from_env() -> Self {
        check_traces();
        Self {
            listen: upstreams::listen("LISTEN", "127.0.0.1:6188"),
            admin: upstreams::listen("ADMIN", "127.0.0.1:6190"),
            upstreams: upstreams::from_env(),
            connect_timeout: milliseconds("CONNECT_TIMEOUT_MS", 1_000),
            read_timeout: milliseconds("READ_TIMEOUT_MS", 10_000),
            client_timeout: milliseconds("CLIENT_TIMEOUT_MS", 10_000),
            export: exports(),
        }
    }
}

/// `LOG_BUFFER_LINES`: so many lines wait for stderr at most; what comes on top is dropped and counted.
pub(crate) fn log_buffer_lines() -> usize {
    let lines = number("LOG_BUFFER_LINES", 8_192).clamp(1, 1_000_000);
    usize::try_from(lines).unwrap_or(8_192)
}

/// The variables that name a collector (OpenTelemetry, "OTLP exporter configuration"). An empty one counts as unset.
fn exports() -> bool {
    let endpoints = [
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    ];
    let disabled = variable("OTEL_SDK_DISABLED").is_some_and(|it| it.eq_ignore_ascii_case("true"));
    !disabled && endpoints.into_iter().any(|name| variable(name).is_some())
}

/// The SDK takes a default for what it cannot read and tells nobody (opentelemetry_sdk, trace/config.rs): here a typing
/// error would mean that every request is sampled.
fn check_traces() {
    const SAMPLERS: [&str; 6] = [
        "always_on",
        "always_off",
        "traceidratio",
        "parentbased_always_on",
        "parentbased_always_off",
        "parentbased_traceidratio",
    ];
    let sampler = variable("OTEL_TRACES_SAMPLER");
    if let Some(sampler) = &sampler
        && !SAMPLERS.contains(&sampler.as_str())
    {
        let known = SAMPLERS.join(", ");
        refuse("OTEL_TRACES_SAMPLER", sampler, &format!("one of {known}"));
    }
    if let Some(ratio) = variable("OTEL_TRACES_SAMPLER_ARG")
        && !ratio.parse().is_ok_and(|it: f64| (0.0..=1.0).contains(&it))
    {
        refuse("OTEL_TRACES_SAMPLER_ARG", &ratio, "a number from 0 to 1");
    }
    for (name, default) in [
        ("OTEL_BSP_SCHEDULE_DELAY", 5_000),
        ("OTEL_BSP_MAX_QUEUE_SIZE", 2_048),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512),
        ("OTEL_BSP_EXPORT_TIMEOUT", 30_000),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", 10_000),
    ] {
        number(name, default);
    }
}

fn milliseconds(name: &str, default: u64) -> Duration {
    // A day at most: what is computed with it stays far from any overflow.
    Duration::from_millis(number(name, default).min(86_400_000))
}

/// A whole number above 0.
fn number(name: &str, default: u64) -> u64 {
    let Some(text) = variable(name) else {
        return default;
    };
    match text.trim().parse() {
        Ok(number @ 1..) => number,
        _ => refuse(
            name,
            &text,
            &format!("a whole number above 0, as in {name}={default}"),
        ),
    }
}

fn variable(name: &str) -> Option<String> {
    let value = std::env::var_os(name)?;
    let value = value.to_string_lossy().into_owned();
    (!value.is_empty()).then_some(value)
}

fn refuse(name: &str, text: &str, wanted: &str) -> ! {
    eprintln!("{name}: {text:?} cannot be used; write {wanted}");
    std::process::exit(2)
}
