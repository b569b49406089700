//! What the environment asks for. What cannot be read ends the program, in one line.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use http::HeaderName;
use pingora_load_balancing::Backend;

/// How a backend is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    RoundRobin,
    Weighted,
    LeastConnections,
    Hash,
    PowerOfTwo,
}

impl Algorithm {
    const ALL: [Self; 5] = [
        Self::RoundRobin,
        Self::Weighted,
        Self::LeastConnections,
        Self::Hash,
        Self::PowerOfTwo,
    ];

    /// As `LB` has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::RoundRobin => "round-robin",
            Self::Weighted => "weighted",
            Self::LeastConnections => "least-connections",
            Self::Hash => "hash",
            Self::PowerOfTwo => "p2c",
        }
    }
}

pub(crate) struct Settings {
    /// `LB`
    pub(crate) algorithm: Algorithm,
    /// `UPSTREAMS` with `WEIGHTS`
    pub(crate) backends: BTreeSet<Backend>,
    /// `HASH_HEADER`: the clients that send the same one stay together.
    pub(crate) hash_header: HeaderName,
    /// `HEALTH_INTERVAL_MS`
    pub(crate) health_interval: Duration,
}

impl Settings {
    /// Ends the program with code 2 if one of them cannot be read.
    pub(crate) fn from_env(upstreams: &[SocketAddr]) -> Self {
        Self {
            algorithm: setting("LB", "round-robin", algorithm),
            backends: setting("WEIGHTS", "", |text| backends(upstreams, text)),
            hash_header: setting("HASH_HEADER", "x-user", |text| {
                text.parse().map_err(|_| "is not the name of a header")
            }),
            health_interval: setting("HEALTH_INTERVAL_MS", "1000", |text| match text.parse() {
                Ok(milliseconds @ 1..) => Ok(Duration::from_millis(milliseconds)),
                _ => Err("is not a number of milliseconds above 0"),
            }),
        }
    }
}

fn setting<T, E: std::fmt::Display>(
    name: &str,
    default: &str,
    read: impl FnOnce(&str) -> Result<T, E>,
) -> T {
    let text = std::env::var(name).unwrap_or_else(|_| default.to_owned());
    read(&text).unwrap_or_else(|why| {
        eprintln!("{name}: {text:?} {why}");
        std::process::exit(2)
    })
}

fn algorithm(text: &str) -> Result<Algorithm, String> {
    let mut all = Algorithm::ALL.into_iter();
    all.find(|it| it.name() == text).ok_or_else(|| {
        let names = Algorithm::ALL.map(Algorithm::name).join(", ");
        format!("is not one of {names}")
    })
}

/// The upstreams with their weights, in the same order; without weights, 1 each.
fn backends(upstreams: &[SocketAddr], weights: &str) -> Result<BTreeSet<Backend>, String> {
    let form = || {
        let count = upstreams.len();
        format!("is not {count} numbers from 1 to 100, one for each upstream, as in WEIGHTS=5,1,1")
    };
    let weights: Vec<usize> = if weights.is_empty() {
        upstreams.iter().map(|_| 1).collect()
    } else {
        let weights = weights.split(',').map(|weight| weight.trim().parse());
        weights.collect::<Result<_, _>>().map_err(|_| form())?
    };
    // Pingora's weighted selections keep an entry for each unit of weight, and panic where there is none at all.
    if weights.len() != upstreams.len() || weights.iter().any(|weight| !(1..=100).contains(weight))
    {
        return Err(form());
    }
    let backends = upstreams.iter().zip(weights);
    backends
        .map(|(address, weight)| {
            Backend::new_with_weight(&address.to_string(), weight)
                .map_err(|error| error.to_string())
        })
        .collect()
}
