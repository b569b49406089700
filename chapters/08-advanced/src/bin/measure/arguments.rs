//! What is measured, how often and for how long.

use std::{path::PathBuf, time::Duration};

use clap::Parser;

use crate::cases::Case;

#[derive(Parser)]
#[command(
    about = "Measures proxies beside nginx and HAProxy, in one run, with an open-loop load",
    after_help = "Whatever takes a program also takes a second build of the same: \
                  --program target/release/ch08-advanced --program target/tuned/ch08-advanced"
)]
pub(crate) struct Arguments {
    /// A proxy to measure; may be repeated. It is told LISTEN, LISTEN_TLS, ADMIN, UPSTREAMS and CERTS [default: the
    /// chapter's demo, beside this command]
    #[arg(long)]
    pub(crate) program: Vec<PathBuf>,
    /// A case to measure; may be repeated [default: all]
    #[arg(long, value_enum)]
    pub(crate) case: Vec<Case>,
    /// nginx: its name, or where it is
    #[arg(long, default_value = "nginx")]
    pub(crate) nginx: String,
    /// HAProxy: its name, or where it is
    #[arg(long, default_value = "haproxy")]
    pub(crate) haproxy: String,
    /// How often each program is measured in each case
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// How long one measurement takes
    #[arg(long, default_value_t = 5.0, value_parser = seconds)]
    seconds: f64,
    /// Small requests a second; big ones come at a tenth of it
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(40..=100_000))]
    rate: u32,
    /// One short round: shows that everything works, and measures nothing
    #[arg(long)]
    pub(crate) quick: bool,
    /// Count the upstream connections that so many clients need, each sending one request after the other [default: 256]
    #[arg(long, num_args = 0..=1, default_missing_value = "256", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) reuse: Option<u32>,
    /// Measure the memory of so many idle clients [default: 5000]
    #[arg(long, num_args = 0..=1, default_missing_value = "5000", value_parser = clap::value_parser!(u32).range(100..=50_000))]
    pub(crate) idle: Option<u32>,
    /// Count instructions for each request with callgrind, over so many requests [default: 500]
    #[arg(long, num_args = 0..=1, default_missing_value = "500", value_parser = clap::value_parser!(u32).range(10..=100_000))]
    pub(crate) instructions: Option<u32>,
    /// No rounds: only what --reuse, --idle and --instructions ask for
    #[arg(long)]
    pub(crate) no_rounds: bool,
}

impl Arguments {
    pub(crate) fn rounds(&self) -> u32 {
        match (self.no_rounds, self.quick) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => self.rounds,
        }
    }

    pub(crate) fn duration(&self) -> Duration {
        Duration::from_secs_f64(if self.quick { 0.2 } else { self.seconds })
    }

    /// Requests a second.
    pub(crate) fn rate(&self, case: Case) -> f64 {
        let rate = f64::from(if self.quick { 200 } else { self.rate });
        if case.is_big() { rate / 10.0 } else { rate }
    }

    pub(crate) fn cases(&self) -> Vec<Case> {
        if self.case.is_empty() {
            Case::ALL.to_vec()
        } else {
            self.case.clone()
        }
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.1..=600.0).contains(&seconds) => Ok(seconds),
        _ => Err("give it seconds, from 0.1 to 600".to_owned()),
    }
}
